/** The choice of who may connect, for which no default is safe. */
import { allowedValues } from "../../app/src/settings/definition.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { REQUIRED_FOR_TOKENS } from "../../app/src/settings/relations.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import type { EdgeConfig } from "./edgeConfig.ts";

/** Whether the user has set a key. */
type IsSet = (name: string) => boolean;
type KeyOf = (name: string) => string;

/** Returns a problem if `access` is required and not set. An edge with only an API Gateway has no tasks. */
export function findMissingAccess(edge: EdgeConfig["kind"], isSet: IsSet, keyOf: KeyOf): readonly Problem[] {
  if (edge === "api-gateway" || isSet("access")) return [];
  return [
    {
      key: keyOf("access"),
      got: "nothing",
      expected:
        `${allowedValues(settingDefinitions.access)} (token admits clients with a valid token, open lets every client ` +
        "that has the address read and publish)",
      ...suggestAccess(isSet, keyOf),
    },
  ];
}

/** The two choices of access. The first one also sets the keys that tokens require and that are not set. */
export function suggestAccess(isSet: IsSet, keyOf: KeyOf): Required<Pick<Problem, "fix" | "alternative">> {
  const missing = REQUIRED_FOR_TOKENS.filter((name) => !isSet(name));
  return {
    fix: [{ set: keyOf("access"), to: "token" }, ...missing.map((name) => ({ ask: keyOf(name) }))],
    alternative: [{ set: keyOf("access"), to: "open" }],
  };
}
