/** Every member of `Transforms`, in a service that declares the resources of all members. */
import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { WebSocketService } from "../../../infra/index.ts";
import type { Transforms } from "../../../infra/index.ts";
import { declare } from "./support.ts";
import type { Registered } from "./support.ts";

type Part = keyof Transforms;

/** Arguments that a transform replaces. */
type ValuesOf<P extends Part> = Exclude<NonNullable<Transforms[P]>, (...args: never) => unknown>;

interface Expectation<P extends Part> {
  /** Types and names of the resources that the transform changes. */
  readonly changed: readonly string[];
  /** Arguments with the mark of the transform. */
  readonly values: ValuesOf<P>;
}

/** TypeScript reports a member of `Transforms` that is missing here. */
const EXPECTATIONS: { readonly [P in Part]-?: Expectation<P> } = {
  vpc: { changed: ["Vpc chat-network"], values: tagsOf("vpc") },
  taskSecurityGroup: { changed: ["SecurityGroup chat-network-tasks"], values: tagsOf("taskSecurityGroup") },
  loadBalancerSecurityGroup: {
    changed: ["SecurityGroup chat-vpc"],
    values: tagsOf("loadBalancerSecurityGroup"),
  },
  loadBalancer: { changed: ["LoadBalancer chat-vpc"], values: tagsOf("loadBalancer") },
  targetGroup: { changed: ["TargetGroup chat-vpc"], values: tagsOf("targetGroup") },
  listener: { changed: ["Listener chat-vpc-http"], values: tagsOf("listener") },
  listenerRule: { changed: ["ListenerRule chat-vpc-X-Origin-Secret-1"], values: tagsOf("listenerRule") },
  repository: { changed: ["Repository chat-service"], values: tagsOf("repository") },
  image: { changed: ["Image chat-service"], values: { target: markOf("image") } },
  cluster: { changed: ["Cluster chat-service"], values: tagsOf("cluster") },
  service: { changed: ["FargateService chat-service"], values: tagsOf("service") },
  logGroup: { changed: ["LogGroup chat-service-log"], values: tagsOf("logGroup") },
  taskRole: { changed: ["Role chat-service-task-role"], values: tagsOf("taskRole") },
  executionRole: { changed: ["Role chat-service-execution-role"], values: tagsOf("executionRole") },
  scalableTarget: { changed: ["Target chat-scaling-tasks"], values: tagsOf("scalableTarget") },
  scalingPolicy: {
    changed: ["Policy chat-scaling-connections", "Policy chat-scaling-cpu", "Policy chat-scaling-requests"],
    values: { name: markOf("scalingPolicy") },
  },
  cache: { changed: ["ServerlessCache chat-backplane"], values: tagsOf("cache") },
  distribution: { changed: ["Distribution chat-edge"], values: tagsOf("distribution") },
  vpcOrigin: { changed: ["VpcOrigin chat-vpc-origin"], values: tagsOf("vpcOrigin") },
  logBucket: { changed: ["Bucket chat-logs-bucket"], values: tagsOf("logBucket") },
};

const PARTS = Object.keys(EXPECTATIONS) as readonly Part[];

/** An option that no resource of the service has. */
const TIMEOUTS: pulumi.CustomTimeouts = { create: "61m" };

/** Names of the resources that the function of each member was called for. */
const calls = new Map<Part, string[]>();

const FORMS: Readonly<Record<string, Transforms>> = {
  values: transformsOf(({ values }) => values),
  functions: transformsOf(
    ({ values }, part) =>
      (args: object, opts: pulumi.CustomResourceOptions, name: string) => {
        Object.assign(args, values);
        opts.customTimeouts = TIMEOUTS;
        calls.set(part, [...(calls.get(part) ?? []), name]);
      },
  ),
};

for (const [form, transform] of Object.entries(FORMS)) {
  describe(`transforms as ${form}`, () => {
    let unchanged: readonly Registered[] = [];
    let resources: readonly Registered[] = [];

    before(async () => {
      unchanged = await declareService(undefined);
      resources = await declareService(transform);
    });

    for (const part of PARTS) {
      it(`of ${part} change its resources, and nothing else`, () => {
        const { changed, values } = EXPECTATIONS[part];
        const marked = resources.filter(({ inputs }) => JSON.stringify(inputs).includes(`"${markOf(part)}"`));

        assert.deepEqual(marked.map(titleOf).sort(), changed);
        for (const { inputs, urn, options, name } of marked) {
          const before = unchanged.find((resource) => resource.urn === urn);
          assert.ok(before, `${urn} has another URN or no parent`);
          assert.deepEqual(inputs, { ...before.inputs, ...values });
          if (form === "values") continue;
          assert.deepEqual((options as pulumi.CustomResourceOptions).customTimeouts, TIMEOUTS, name);
        }
        if (form === "values") return;
        assert.deepEqual(calls.get(part)?.sort(), marked.map(({ name }) => name).sort());
      });
    }
  });
}

function declareService(transform: Transforms | undefined): Promise<readonly Registered[]> {
  return declare(() => {
    new WebSocketService("chat", {
      access: "open",
      originAccess: "private",
      ...(transform && { transform }),
    });
  });
}

function markOf(part: Part): string {
  return `changed by ${part}`;
}

function tagsOf(part: Part): { readonly tags: Readonly<Record<string, string>> } {
  return { tags: { mark: markOf(part) } };
}

function transformsOf(create: (expectation: Expectation<Part>, part: Part) => unknown): Transforms {
  return Object.fromEntries(PARTS.map((part) => [part, create(EXPECTATIONS[part], part)]));
}

function titleOf({ type, name }: Registered): string {
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}
