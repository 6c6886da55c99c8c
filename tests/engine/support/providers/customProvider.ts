/**
 * The stand-in for a provider of custom resources: `aws`, `random` and `docker-build`. It answers with the inputs that it
 * was given: where AWS would change a value, a test has to say so (`Cloud.setDrift`).
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { provider } from "@pulumi/pulumi";
import { standInsFor } from "../../../../infra/standIns.ts";
import type { Call, Cloud, Properties } from "../cloud.ts";
import { replacing } from "./replacing.ts";

const REGION = "us-east-1";
const IMAGE = "docker-build:index:Image";
const mocked = standInsFor(REGION);

export function standIn(cloud: Cloud, version: string): provider.Provider {
  return {
    version,

    check(urn, _olds, news: Properties) {
      cloud.record({ method: "check", ...identity(urn) });
      return Promise.resolve({ inputs: news });
    },

    diff(_id, urn, olds: Properties, news: Properties) {
      const changed = changedKeys(olds, news);
      cloud.record({ method: "diff", ...identity(urn), changed });
      return Promise.resolve({
        changes: changed.length > 0,
        replaces: [...replacing(identity(urn).type, changed)],
      });
    },

    create(urn, inputs: Properties) {
      if (identity(urn).type === IMAGE) for (const tag of inputs["tags"] as string[]) cloud.push(tag);
      cloud.record({ method: "create", ...identity(urn), inputs: revealed(inputs) });
      return Promise.resolve(created(urn, inputs));
    },

    read(id, urn, state: Properties) {
      cloud.record({ method: "read", ...identity(urn) });
      const drift = cloud.driftOf(identity(urn).type);
      const inputs = { ...inputsIn(state), ...drift };
      return Promise.resolve({ id, props: { ...state, ...drift, [INPUTS_KEY]: inputs }, inputs });
    },

    update(_id, urn, olds: Properties, news: Properties) {
      cloud.record({
        method: "update",
        ...identity(urn),
        changed: changedKeys(olds, news),
        inputs: revealed(news),
      });
      return Promise.resolve({ outs: { ...olds, ...news, [INPUTS_KEY]: news } });
    },

    delete(_id, urn) {
      cloud.record({ method: "delete", ...identity(urn) });
      return Promise.resolve();
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

function created(urn: string, inputs: Properties): { readonly id: string; readonly outs: Properties } {
  const { type, name } = identity(urn);
  const { id, outputs } = mocked.resource(type, name, inputs);
  return { id, outs: { ...outputs, ...contentOutputs(type, outputs), [INPUTS_KEY]: inputs } };
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
