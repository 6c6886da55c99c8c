/** Everything that a stack declares as YAML, value by value: a change of the program is a readable change of this file. */
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import type { Example } from "../../infra/evaluation/examples.ts";
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";

const OPTIONS = { lineWidth: 0, aliasDuplicateObjects: false };

/** Renders the content of `tests/infra/declared.STACK.yaml`. */
export function renderDeclared(graph: DeclaredGraph): string {
  return stringify(describeGraph(graph), OPTIONS);
}

/**
 * Renders the content of `tests/infra/declared.edges.yaml`: how each example in docs/edges.md differs from the first one. A
 * resource or property that the example lacks is `null`.
 */
export function renderEdges(examples: readonly Example[]): string {
  const [base = {}] = examples.map(({ graph }) => describeGraph(graph));
  const differences = examples
    .slice(1)
    .map(({ title, graph }) => [title, differencesOf(base, describeGraph(graph))] as const);
  return stringify(Object.fromEntries(differences), OPTIONS);
}

type Description = Readonly<Record<string, unknown>>;

function differencesOf(base: Description, other: Description): Description {
  const names = new Set([...Object.keys(other), ...Object.keys(base)]);
  return Object.fromEntries(
    [...names].sort().flatMap((name): [string, unknown][] => {
      const [before, after = null] = [base[name], other[name]];
      if (isDeepStrictEqual(before, after)) return [];
      return [[name, isObject(before) && isObject(after) ? differencesOf(before, after) : after]];
    }),
  );
}

function isObject(value: unknown): value is Description {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The graph by type and name. A value from another resource is `${TYPE NAME.OUTPUT}`. */
function describeGraph(graph: DeclaredGraph): Description {
  const references = referencesIn(graph);
  const show = (value: unknown): unknown => {
    if (typeof value === "string") return showText(value, references);
    if (Array.isArray(value)) return value.map(show);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, show(inner)]));
  };
  const entries = graph.resources
    .filter(({ type }) => !type.startsWith("websocket:") && type !== "pulumi:pulumi:Stack")
    .map((resource): [string, unknown] => [
      `${resource.type} ${resource.name}`,
      { ...optionsOf(resource, show), ...inputsOf(resource, show) },
    ]);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function inputsOf({ inputs }: DeclaredResource, show: (value: unknown) => unknown): Record<string, unknown> {
  // Inputs resolve in any order.
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

/** References by the value of an output, longest value first: an ARN contains names. */
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
      // A short value can be equal to another one by chance.
      // The name of a record is also an output.
      const isInput = Object.values(inputs).includes(value);
      if (typeof value === "string" && value.length > name.length && !isInput) {
        values.set(value, `\${${kind} ${name}.${output}}`);
      }
    }
  }
  return [...values].toSorted(([a], [b]) => b.length - a.length);
}

function showText(text: string, references: readonly (readonly [string, string])[]): unknown {
  let shown = text;
  for (const [value, reference] of references) shown = shown.replaceAll(value, reference);
  // Policies are JSON in a string.
  return /^[[{]"/.test(shown)
    ? (JSON.parse(shown) as unknown)
    : shown.replace(/^[0-9a-f]{20}(-[0-9a-f]{6})?$/, "CONTENT$1").replace(/^CONTENT-.*/, "CONTENT-CHANGE");
}
