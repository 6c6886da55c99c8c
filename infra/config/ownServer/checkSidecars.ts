/** The rules of the argument `sidecars`. */
import { quoteValue } from "../../../app/src/settings/definition.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { isLater, isObject, problemOf } from "./fields.ts";

/** Name of the container that clients connect to. */
export const CONTAINER_NAME = "websocket-service";

/** @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html */
const NAME = /^[\w-]{1,255}$/;

/** A task definition has at most ten containers. @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html */
const MAX_SIDECARS = 9;

/** Returns a problem for each rule that the sidecars break. ECS checks the rest of their definitions. */
export function checkSidecars(sidecars: unknown): readonly Problem[] {
  if (!isObject(sidecars)) {
    return [problemOf("sidecars", sidecars, 'an object such as { collector: { image: "…" } }')];
  }
  const entries = Object.entries(sidecars);
  const problems: Problem[] = [];
  if (entries.length > MAX_SIDECARS) {
    const expected = `at most ${MAX_SIDECARS}, because a task has at most ${MAX_SIDECARS + 1} containers`;
    problems.push({ key: "sidecars", got: String(entries.length), expected, fix: [] });
  }
  for (const [name, sidecar] of entries) {
    if (!NAME.test(name) || name === CONTAINER_NAME) {
      const expected = `up to 255 letters, digits, hyphens and underscores, and not ${CONTAINER_NAME}`;
      problems.push({ key: "sidecars", got: `the name ${quoteValue(name)}`, expected, fix: [] });
    }
    const image = isObject(sidecar) ? sidecar["image"] : undefined;
    if (!isLater(image) && (typeof image !== "string" || image === "")) {
      problems.push(problemOf(`sidecars.${name}.image`, image, "an image"));
    }
  }
  return problems;
}
