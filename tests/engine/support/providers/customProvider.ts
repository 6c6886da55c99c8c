/**
 * The stand-in for providers of custom resources: `aws`, `random` and `docker-build`. It rejects the values that AWS rejects
 * (policy/limits/), and returns the inputs. A test sets values that AWS would change with `Cloud.setDrift`.
 */
import { createHash, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { provider } from "@pulumi/pulumi";
import { standInsFor } from "../../../../infra/evaluation/standIns.ts";
import { findViolations } from "../../../../policy/limits/violations.ts";
import { UNKNOWN, UnknownValueError } from "../../../../policy/values.ts";
import type { Call, Cloud, Properties } from "../cloud.ts";
import { DISTRIBUTION, SERVICE, VPC_ORIGIN } from "../types.ts";

import { INPUTS_KEY, RANDOM_SEED } from "./conventions.ts";
import { replacing } from "./replacing.ts";

const REGION = "us-east-1";
const IMAGE = "docker-build:index:Image";
/** @see https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_UpdateVpcOrigin.html */
const IN_USE =
  "CannotUpdateEntityWhileInUse: The specified VPC origin is currently associated with distributions";
const seed = process.env[RANDOM_SEED];
const mocked = standInsFor(REGION, seed);

export function standIn(cloud: Cloud, version: string): provider.Provider {
  return {
    version,

    check(urn, _olds, news: Properties) {
      const { type, name } = identity(urn);
      cloud.record({ method: "check", type, name });
      return Promise.resolve({ inputs: news, failures: findFailures(type, name, news) });
    },

    diff(_id, urn, olds: Properties, news: Properties) {
      const changed = changedKeys(olds, news);
      cloud.record({ method: "diff", ...identity(urn), changed });
      return Promise.resolve({
        // Without this field, the engine compares the inputs and applies ignoreChanges and replaceOnChanges.
        ...(changed.length === 0 && { changes: false }),
        replaces: [...replacing(identity(urn).type, changed)],
      });
    },

    async create(urn, inputs: Properties) {
      await cloud.waitIfAsked(identity(urn).type);
      cloud.failIfAsked(identity(urn).type);
      if (identity(urn).type === IMAGE) for (const tag of inputs["tags"] as string[]) cloud.push(tag);
      refuseTakenAliases(cloud, urn, inputs);
      // A replacement has a new ID.
      const id = seed === undefined ? randomUUID() : hashOf([seed, urn, inputs]).slice(0, 32);
      const outs = outputsOf(urn, inputs);
      cloud.record({
        method: "create",
        ...identity(urn),
        id,
        inputs: revealed(inputs),
        outputs: revealed(outs),
      });
      cloud.hold(identity(urn).type, id, inputs);
      return { id, outs };
    },

    read(id, urn, state: Properties) {
      const { type, name } = identity(urn);
      cloud.record({ method: "read", type, name });
      const held = cloud.held(type, id);
      // A result without an ID means that the resource does not exist.
      if (held === undefined) return Promise.resolve({});
      const drift = cloud.driftOf(type);
      const inputs = { ...held, ...drift };
      // An imported resource has no state yet.
      const known = INPUTS_KEY in state ? state : outputsOf(urn, held);
      return Promise.resolve({ id, props: { ...known, ...drift, [INPUTS_KEY]: inputs }, inputs });
    },

    async update(id, urn, olds: Properties, news: Properties) {
      await cloud.waitIfAsked(identity(urn).type);
      cloud.failIfAsked(identity(urn).type);
      if (identity(urn).type === VPC_ORIGIN) throw new Error(IN_USE);
      refuseTakenAliases(cloud, urn, news, id);
      cloud.record({
        method: "update",
        ...identity(urn),
        id,
        changed: changedKeys(olds, news),
        inputs: revealed(news),
      });
      cloud.hold(identity(urn).type, id, news);
      return { outs: { ...olds, ...news, [INPUTS_KEY]: news } };
    },

    delete(id, urn) {
      cloud.record({ method: "delete", ...identity(urn), id });
      cloud.release(identity(urn).type, id);
      return Promise.resolve();
    },

    invoke(token, args: Properties) {
      cloud.record({ method: "invoke", type: token, name: "", inputs: args });
      return Promise.resolve({ outputs: { ...mocked.call(token, args), ...FUNCTION_RESULTS[token] } });
    },

    cancel() {
      cloud.cancel();
      return Promise.resolve();
    },
  };
}

/** How the engine encodes an unknown value (sdk/go/common/resource/plugin, UnknownStringValue). */
const UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The suffix that Pulumi appends to a logical name if the program sets no name. */
const AUTONAME_SUFFIX = "-0123456";

/** Returns the values that AWS would reject. */
function findFailures(type: string, name: string, inputs: Properties): provider.CheckFailure[] {
  const failures: provider.CheckFailure[] = [];
  try {
    const known = JSON.parse(JSON.stringify(revealed(inputs)), (_key, value: unknown) =>
      value === UNKNOWN_TEXT ? UNKNOWN : value,
    ) as Properties; // The copy of an object is an object.
    for (const { property, message } of findViolations(type, {
      name: `${name}${AUTONAME_SUFFIX}`,
      ...known,
    })) {
      failures.push({ property, reason: message });
    }
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
  }
  return failures;
}

/** Rejects a domain of another distribution: https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateDistribution.html */
function refuseTakenAliases(cloud: Cloud, urn: string, inputs: Properties, ownId?: string): void {
  if (identity(urn).type !== DISTRIBUTION) return;
  for (const [id, others] of cloud.allHeld(DISTRIBUTION)) {
    if (id === ownId) continue;
    const taken = aliasesOf(inputs).find((name) => aliasesOf(others).includes(name));
    if (taken !== undefined) throw new Error(`CNAMEAlreadyExists: ${taken} is an alias of ${id}`);
  }
}

function aliasesOf({ aliases = [] }: Properties): readonly string[] {
  return aliases as readonly string[]; // As the program declares them.
}

function identity(urn: string): Pick<Call, "type" | "name"> {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

/** Results of functions that only children of awsx's components call, or whose stand-in result is too general. */
const FUNCTION_RESULTS: Readonly<Record<string, Properties>> = {
  "aws:route53/getZone:getZone": { name: "example.com" },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
    proxyEndpoint: `https://registry.${REGION}.example`,
    userName: "AWS",
    password: "stand-in token",
  },
};

/** Returns the outputs of a resource with these inputs. */
function outputsOf(urn: string, inputs: Properties): Properties {
  const { type, name } = identity(urn);
  const { outputs } = mocked.resource(type, name, inputs);
  return { ...outputs, ...contentOutputs(type, outputs), [INPUTS_KEY]: inputs };
}

/** Returns the outputs that change with the inputs. The stand-ins of an evaluation need no such outputs. */
function contentOutputs(type: string, { arn, ...outputs }: Properties): Properties {
  const hash = hashOf(outputs);
  switch (type) {
    case "aws:ecs/taskDefinition:TaskDefinition":
      return { arn: `${String(arn)}:${hash}` };
    case SERVICE:
      // A replacement has a different load balancer and a new name.
      return { name: `${String(outputs["name"])}-${hashOf(outputs["loadBalancers"])}` };
    case IMAGE:
      return { digest: `sha256:${hash}` };
    default:
      return {};
  }
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

function inputsIn(state: Properties): Properties {
  // Written by this module.
  return state[INPUTS_KEY] as Properties;
}

function changedKeys(olds: Properties, news: Properties): string[] {
  const before = inputsIn(olds);
  const keys = new Set([...Object.keys(before), ...Object.keys(news)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], news[key]));
}

/** A secret is an object with this key and its value (sdk/go/common/resource, SigKey). */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";

/** Returns the inputs with secrets in plain text. */
function revealed(inputs: Properties): Properties {
  return JSON.parse(JSON.stringify(inputs), (_key, value: unknown) =>
    typeof value === "object" && value !== null && SIGNATURE_KEY in value && "value" in value
      ? value.value
      : value,
  ) as Properties; // The copy of an object is an object.
}
