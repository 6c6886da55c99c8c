import type { Problem } from "../../../app/src/settings/problem.ts";
import { ConfigError } from "../configError.ts";
import { describeValue, isObject, problemOf } from "../ownServer/fields.ts";
import { argumentsOf } from "./argumentSource.ts";

/**
 * Checks the types of the name and of the arguments, for callers without types.
 * @throws {ConfigError} with one problem, because nothing else can be checked.
 */
export function checkTypes(service: unknown, args: unknown): void {
  if (typeof service !== "string") {
    throw new ConfigError([wrongName(service)], argumentsOf("without a name"));
  }
  if (!isObject(args)) {
    throw new ConfigError(
      [problemOf("args", args, 'an object, such as { access: "open" }')],
      argumentsOf(service),
    );
  }
}

function wrongName(name: unknown): Problem {
  const expected = 'a string as the first argument, as in new WebSocketService("chat", { … })';
  // The object can contain secrets.
  return { key: "name", got: isObject(name) ? "an object" : describeValue(name), expected, fix: [] };
}
