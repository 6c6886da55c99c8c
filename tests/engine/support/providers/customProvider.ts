/**
 * The stand-in for a provider of custom resources: `aws`, `random` and `docker-build`. It refuses what AWS refuses
 * (`limits.ts`), and answers with the inputs that it was given: where AWS would change a value, a test has to say so
 * (`Cloud.setDrift`).
 */
import { createHash, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { provider } from "@pulumi/pulumi";
import { standInsFor } from "../../../../infra/evaluation/standIns.ts";
import { findViolations } from "../../../../policy/limits/violations.ts";
import { UNKNOWN, UnknownValueError } from "../../../../policy/values.ts";
import type { Call, Cloud, Properties } from "../cloud.ts";
import { DISTRIBUTION, SERVICE, VPC_ORIGIN } from "../types.ts";

import { replacing } from "./replacing.ts";

const REGION = "us-east-1";
const IMAGE = "docker-build:index:Image";
/** While a distribution uses it, nothing of it can be changed (Amazon CloudFront API, UpdateVpcOrigin). */
const IN_USE =
  "CannotUpdateEntityWhileInUse: The specified VPC origin is currently associated with distributions";
const mocked = standInsFor(REGION);

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
        // Where something changed, the engine finds out what, for the resource options that speak of it.
        ...(changed.length === 0 && { changes: false }),
        replaces: [...replacing(identity(urn).type, changed)],
      });
    },

    async create(urn, inputs: Properties) {
      await cloud.waitIfAsked(identity(urn).type);
      cloud.failIfAsked(identity(urn).type);
      if (identity(urn).type === IMAGE) for (const tag of inputs["tags"] as string[]) cloud.push(tag);
      refuseTakenAliases(cloud, urn, inputs);
      // A resource that replaces another one is another one.
      const id = randomUUID();
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
      // Without an id, there is none.
      if (held === undefined) return Promise.resolve({});
      const drift = cloud.driftOf(type);
      const inputs = { ...held, ...drift };
      // What is imported has no state yet.
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

/** A name belongs to one distribution, whoever's it is (Amazon CloudFront API, CreateDistribution). */
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

/** What the children of awsx's components ask, and the mocks are never asked; and what AWS knows better than the mocks. */
const FUNCTION_RESULTS: Readonly<Record<string, Properties>> = {
  "aws:route53/getZone:getZone": { name: "example.com" },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
    proxyEndpoint: `https://registry.${REGION}.example`,
    userName: "AWS",
    password: "stand-in token",
  },
};

/** What a provider tells of a resource with these inputs. */
function outputsOf(urn: string, inputs: Properties): Properties {
  const { type, name } = identity(urn);
  const { outputs } = mocked.resource(type, name, inputs);
  return { ...outputs, ...contentOutputs(type, outputs), [INPUTS_KEY]: inputs };
}

/** The outputs that differ when the content does, which the mocks, evaluated once, need not tell apart. */
function contentOutputs(type: string, { arn, ...outputs }: Properties): Properties {
  const hash = hashOf(outputs);
  switch (type) {
    case "aws:ecs/taskDefinition:TaskDefinition":
      return { arn: `${String(arn)}:${hash}` };
    case SERVICE:
      // One that replaces another has a name of its own, and is behind another load balancer.
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

/**
 * The engine hands over a resource's whole state, in which inputs and outputs are one. So the stand-in keeps the
 * inputs once more, as the SDK's dynamic providers do.
 */
const INPUTS_KEY = "__inputs";

function inputsIn(state: Properties): Properties {
  // Put there by this module.
  return state[INPUTS_KEY] as Properties;
}

function changedKeys(olds: Properties, news: Properties): string[] {
  const before = inputsIn(olds);
  const keys = new Set([...Object.keys(before), ...Object.keys(news)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], news[key]));
}

/** How a secret travels: an object with this key, and the value beside it (sdk/go/common/resource, SigKey). */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";

/** The inputs as a cloud would get them, with the secrets in the clear. */
function revealed(inputs: Properties): Properties {
  return JSON.parse(JSON.stringify(inputs), (_key, value: unknown) =>
    typeof value === "object" && value !== null && SIGNATURE_KEY in value && "value" in value
      ? value.value
      : value,
  ) as Properties; // The copy of an object is an object.
}
