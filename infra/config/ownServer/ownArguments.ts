/** The arguments that no stack file can contain, besides `transform`. */
import type { Problem } from "../../../app/src/settings/problem.ts";
import { configurableSettings } from "../definitions.ts";
import { checkScalingMetric } from "./checkScalingMetric.ts";
import { checkServerImage } from "./checkServerImage.ts";
import { checkSidecars } from "./checkSidecars.ts";
import { isObject } from "./fields.ts";

/**
 * Returns a problem for each rule that these arguments break, and for each argument that has no effect beside `image`.
 * @param given the names and values of all arguments.
 */
export function checkOwnArguments(given: ReadonlyMap<string, unknown>): readonly Problem[] {
  const [image, sidecars, scalingMetric] = ["image", "sidecars", "scalingMetric"].map((name) =>
    given.get(name),
  );
  return [
    ...(image === undefined
      ? []
      : [
          ...checkServerImage(image, given.get("backplane") === "valkey"),
          ...checkBesideImage(given),
          ...checkRepository(image, given),
        ]),
    ...(sidecars === undefined ? [] : checkSidecars(sidecars)),
    ...(scalingMetric === undefined ? [] : checkScalingMetric(scalingMetric)),
    ...checkWithoutTasks(given),
  ];
}

/** Only our server has these settings, and reports its connections to the autoscaler. */
function checkBesideImage(given: ReadonlyMap<string, unknown>): readonly Problem[] {
  return [...given.keys()]
    .filter((name) => name === "connectionsPerTask" || Object.hasOwn(configurableSettings, name))
    .map((key) => ({
      key,
      got: "a value",
      expected:
        key === "connectionsPerTask"
          ? "nothing beside image, because only the server of this package reports its connections; use scalingMetric"
          : "nothing beside image, because it is a setting of the server of this package",
      fix: [{ remove: key }],
    }));
}

/** An image in a registry is in its own repository. */
function checkRepository(image: unknown, given: ReadonlyMap<string, unknown>): readonly Problem[] {
  if (!isObject(image) || image["uri"] === undefined || !given.has("repositoryName")) return [];
  const expected = "nothing beside image.uri, because no image is built";
  return [{ key: "repositoryName", got: "a value", expected, fix: [{ remove: "repositoryName" }] }];
}

/** A service with only an API Gateway has no tasks. */
function checkWithoutTasks(given: ReadonlyMap<string, unknown>): readonly Problem[] {
  if (given.get("edge") !== "api-gateway") return [];
  return ["image", "sidecars", "scalingMetric"]
    .filter((name) => given.has(name))
    .map((key) => ({
      key,
      got: "a value",
      expected: "nothing with edge api-gateway, which has no tasks",
      fix: [{ remove: key }],
    }));
}
