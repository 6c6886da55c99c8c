/**
 * The stand-in for a provider of custom resources: `aws`, `random` and `docker-build`. It refuses what AWS refuses
 * (`limits.ts`), and answers with the inputs that it was given: where AWS would change a value, a test has to say so
 * (`Cloud.setDrift`).
 */
import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { provider } from "@pulumi/pulumi";
import { standInsFor } from "../../../../infra/standIns.ts";
import type { Call, Cloud, Properties } from "../cloud.ts";
import { refusals } from "./limits.ts";
import { replacing } from "./replacing.ts";

const REGION = "us-east-1";
const IMAGE = "docker-build:index:Image";
const mocked = standInsFor(REGION);

export function standIn(cloud: Cloud, version: string): provider.Provider {
  return {
    version,

    check(urn, _olds, news: Properties) {
      const { type, name } = identity(urn);
      cloud.record({ method: "check", type, name });
      return Promise.resolve({ inputs: news, failures: [...refusals(type, name, revealed(news))] });
    },

    diff(_id, urn, olds: Properties, news: Properties) {
      const changed = changedKeys(olds, news);
      cloud.record({ method: "diff", ...identity(urn), changed });
      return Promise.resolve({
        changes: changed.length > 0,
        replaces: [...replacing(identity(urn).type, changed)],
      });
    },

    async create(urn, inputs: Properties) {
      await setTimeout(cloud.delayOf(identity(urn).type));
      cloud.failIfAsked(identity(urn).type);
      if (identity(urn).type === IMAGE) for (const tag of inputs["tags"] as string[]) cloud.push(tag);
      cloud.record({ method: "create", ...identity(urn), inputs: revealed(inputs) });
      // A resource that replaces another one is another one.
      const id = randomUUID();
      cloud.hold(identity(urn).type, id, inputs);
      return { id, outs: outputsOf(urn, inputs) };
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
      await setTimeout(cloud.delayOf(identity(urn).type));
      cloud.failIfAsked(identity(urn).type);
      cloud.record({
        method: "update",
        ...identity(urn),
        changed: changedKeys(olds, news),
        inputs: revealed(news),
      });
      cloud.hold(identity(urn).type, id, news);
      return { outs: { ...olds, ...news, [INPUTS_KEY]: news } };
    },

    async delete(id, urn) {
      await setTimeout(cloud.delayOf(identity(urn).type));
      cloud.record({ method: "delete", ...identity(urn) });
      cloud.release(identity(urn).type, id);
    },

    invoke(token, args: Properties) {
      cloud.record({ method: "invoke", type: token, name: "", inputs: args });
      return Promise.resolve({ outputs: { ...mocked.call(token, args), ...FUNCTION_RESULTS[token] } });
    },
  };
}

function identity(urn: string): Pick<Call, "type" | "name"> {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

/** What the children of awsx's components ask, and the mocks are never asked. */
const FUNCTION_RESULTS: Readonly<Record<string, Properties>> = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": {
    names: ["a", "b", "c"].map((zone) => `${REGION}${zone}`),
  },
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
  const hash = createHash("sha256").update(JSON.stringify(outputs)).digest("hex");
  switch (type) {
    case "aws:ecs/taskDefinition:TaskDefinition":
      return { arn: `${String(arn)}:${hash}` };
    case IMAGE:
      return { digest: `sha256:${hash}` };
    default:
      return {};
  }
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
