/**
 * Everything that the program declares, value by value, against a file that people read: a change of the program shows
 * as a change of that file, as it would in `pulumi preview`. `UPDATE_DECLARED=1 npm test` writes it anew.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { evaluateStack } from "../../infra/evaluate.ts";
import type { DeclaredGraph, DeclaredResource } from "../../infra/graph.ts";

for (const stack of ["dev", "prod"]) {
  it(`the program declares for ${stack} what tests/infra/declared.${stack}.yaml says`, async () => {
    const file = path.join(import.meta.dirname, `declared.${stack}.yaml`);
    const declared = stringify(readable(await evaluateStack({ stack })), {
      lineWidth: 0,
      aliasDuplicateObjects: false,
    });
    if (process.env["UPDATE_DECLARED"] === "1") writeFileSync(file, declared);
    const changes = changedLines(readFileSync(file, "utf8"), declared);
    assert.ok(
      changes.length === 0,
      [...changes, "", "Where that is what you want, UPDATE_DECLARED=1 npm test writes the file anew."].join(
        "\n",
      ),
    );
  });
}

/** From the first line that differs to the last one. */
function changedLines(before: string, after: string): readonly string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let first = 0;
  while (first < old.length && old[first] === now[first]) first += 1;
  let kept = 0;
  while (kept < Math.min(old.length, now.length) - first && old.at(-1 - kept) === now.at(-1 - kept))
    kept += 1;
  return [
    ...old.slice(first, old.length - kept).map((line) => `- ${line}`),
    ...now.slice(first, now.length - kept).map((line) => `+ ${line}`),
  ];
}

/** The graph by type and name, with `${NAME.OUTPUT}` where a value comes from another resource. */
function readable(graph: DeclaredGraph): unknown {
  const references = referencesIn(graph);
  const show = (value: unknown): unknown => {
    if (typeof value === "string") return showText(value, references);
    if (Array.isArray(value)) return value.map(show);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, show(inner)]));
  };
  const entries = graph.resources
    .filter(({ type }) => !type.startsWith("websocket:infra:") && type !== "pulumi:pulumi:Stack")
    .map((resource): [string, unknown] => [
      `${resource.type} ${resource.name}`,
      { ...optionsOf(resource, show), ...inputsOf(resource, show) },
    ]);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function inputsOf({ inputs }: DeclaredResource, show: (value: unknown) => unknown): Record<string, unknown> {
  // The order in which inputs resolve means nothing.
  return Object.fromEntries(
    Object.entries(inputs)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, show(value)]),
  );
}

/** The options that are set, under `$options`. */
function optionsOf(
  { options }: DeclaredResource,
  show: (value: unknown) => unknown,
): Record<string, unknown> {
  const set = Object.entries(options).filter(
    ([, value]) => value !== false && !(Array.isArray(value) && value.length === 0),
  );
  return set.length === 0 ? {} : { $options: show(Object.fromEntries(set)) };
}

/** What an output's value is called, longest value first: an ARN contains names. */
function referencesIn(graph: DeclaredGraph): readonly (readonly [value: string, reference: string])[] {
  const values = new Map<string, string>();
  for (const { type, name, id, urn, inputs, outputs } of graph.resources) {
    const [, kind = ""] = /:(\w+)$/.exec(type) ?? [];
    const own = Object.entries<unknown>({ id, urn, ...outputs })
      .filter(([output]) => !(output in inputs))
      .flatMap(([output, value]) =>
        typeof value === "object" && value !== null
          ? Object.entries<unknown>({ ...value }).map(([key, inner]) => [`${output}.${key}`, inner] as const)
          : [[output, value] as const],
      );
    for (const [output, value] of own) {
      // Anything as short as a name may stand somewhere by chance.
      if (typeof value === "string" && value.length > name.length) {
        values.set(value, `\${${kind} ${name}.${output}}`);
      }
    }
  }
  return [...values].toSorted(([a], [b]) => b.length - a.length);
}

function showText(text: string, references: readonly (readonly [string, string])[]): unknown {
  let shown = text;
  for (const [value, reference] of references) shown = shown.replaceAll(value, reference);
  // Policies and tags travel as JSON inside a string; they are compared as what they say.
  return /^[[{]"/.test(shown)
    ? (JSON.parse(shown) as unknown)
    : shown.replace(/^[0-9a-f]{20}(-[0-9a-f]{6})?$/, "CONTENT$1").replace(/^CONTENT-.*/, "CONTENT-CHANGE");
}
