/** Keys of a stack that the program does not read: because of a typo, a setting would keep its default. */
import * as pulumi from "@pulumi/pulumi";
import { decode } from "../../app/src/settings/definition.ts";
import type { Definition } from "../../app/src/settings/definition.ts";
import { nearest } from "../../app/src/settings/nearest.ts";
import type { Change, Problem } from "../../app/src/settings/problem.ts";
import { readText } from "../../app/src/settings/reading.ts";
import { configDefinitions } from "./definitions.ts";
import { PROVIDER_KEYS } from "./providerConfig.ts";
import { isEncrypted } from "./secrets.ts";
import { setItems, suggestFix } from "./suggestedFixes.ts";

/**
 * Returns a problem for each unknown key. Keys in the namespaces of other providers are not checked.
 * @param check returns the contradictions if a key of the project has a value.
 */
export function findUnknownKeys(
  project: string,
  check: (name: string, value: unknown) => readonly Problem[],
): readonly Problem[] {
  const namesByNamespace: Readonly<Record<string, readonly string[]>> = {
    [project]: Object.keys(configDefinitions),
    aws: PROVIDER_KEYS,
  };
  const known = Object.entries(namesByNamespace).flatMap(([namespace, names]) =>
    names.map((name) => `${namespace}:${name}`),
  );

  return Object.entries(pulumi.runtime.allConfig()).flatMap(([key, text]) => {
    if (known.includes(key)) return [];
    const [namespace = "", name = ""] = key.split(/:(.*)/s);
    const names = namesByNamespace[namespace];
    // A namespace that resembles the project's is probably misspelt.
    if (names === undefined && nearest(namespace, [project]) === undefined) return [];
    const near = nearest(name, names ?? []);
    const meant = near === undefined ? meantElsewhere(key, name, known, names) : `${namespace}:${near}`;
    return {
      key,
      got: "an unknown key",
      expected:
        meant === undefined
          ? `one of ${(names ?? known).join(", ")}`
          : `a known key (did you mean ${meant}?)`,
      fix: [...(meant === undefined ? [] : [moveTo(meant, project, key, text, check)]), { remove: key }],
    };
  });
}

/** The key of another namespace that was probably meant. */
function meantElsewhere(
  key: string,
  name: string,
  known: readonly string[],
  names: readonly string[] | undefined,
): string | undefined {
  const namesake = known.find((candidate) => candidate.endsWith(`:${name}`));
  return namesake ?? (names === undefined ? nearest(key, known) : undefined);
}

/** Sets the value of an unknown key at the key that was meant, or the value that the program accepts instead. */
function moveTo(
  meant: string,
  project: string,
  unknown: string,
  text: string,
  check: (name: string, value: unknown) => readonly Problem[],
): Change {
  if (isEncrypted(unknown)) return { ask: meant, as: "secret" };
  const definitions: Readonly<Record<string, Definition>> = configDefinitions;
  const name = meant.replace(`${project}:`, "");
  const definition = definitions[name];
  if (definition === undefined) return { set: meant, to: text };
  if (definition.kind === "list") return setItems(definition, text, meant);
  if (definition.kind === "records") {
    return "value" in readText(definition, text) ? { set: meant, to: text } : { ask: meant };
  }
  const value = decode(definition, text);
  if (value === undefined) return suggestFix(definition, name, text, meant);
  const rejected = check(name, value).find(({ key }) => key === meant);
  return rejected?.fix.find((change) => "set" in change && change.set === meant) ?? { set: meant, to: text };
}
