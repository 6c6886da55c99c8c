import type { Change } from "../../../app/src/settings/problem.ts";
import { eachFix, isPart } from "../configError.ts";
import type { ConfigSource } from "../configError.ts";
import { configDefinitions } from "../definitions.ts";
import type { KeyDefinition } from "../keyDefinition.ts";

/** The arguments of a service in a program. */
export function argumentsOf(service: string): ConfigSource {
  return {
    heading: `The arguments of WebSocketService ${service} are not usable:`,
    describeFix: (problem) => eachFix(problem, (changes) => changes.map(describeChange).join(" and ")),
  };
}

/** Such as `` `minTasks: 2` ``. */
function describeChange(change: Change): string {
  if ("remove" in change) return `remove \`${change.remove}\``;
  if ("ask" in change) return `set \`${change.ask}\``;
  const { set, to } = change;
  return `\`${set}: ${typeof to === "string" && hasLiteral(set) ? to : JSON.stringify(to)}\``;
}

/** Whether the values of an argument are numbers or booleans. Only numbers in a list of objects have a legal replacement. */
function hasLiteral(name: string): boolean {
  if (isPart(name)) return true;
  const definitions: Readonly<Record<string, KeyDefinition>> = configDefinitions;
  return ["number", "boolean"].includes(typeof definitions[name]?.default);
}
