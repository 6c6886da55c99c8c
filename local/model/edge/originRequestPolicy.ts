/** Which of a viewer's headers, cookies and query strings reach an origin, as an origin request policy declares it. */
import { type DeclaredGraph, ofType } from "../../../infra/evaluation/graph.ts";
import { Declared } from "../declared.ts";
import { type Headers, valuesOf, without } from "../headers.ts";
import { splitTarget } from "../requestTarget.ts";

/** Names, compared without regard to case where the protocol does so. */
type Selection =
  | { readonly which: "none" | "all" }
  | { readonly which: "only" | "all-but"; readonly names: readonly string[] };

export interface OriginRequestPolicy {
  readonly headers: Selection;
  readonly cookies: Selection;
  readonly queryStrings: Selection;
}

const ALL: Selection = { which: "all" };
const NONE: Selection = { which: "none" };

/** What a behaviour without a policy passes on, where its cache policy adds nothing: what the message itself needs. */
export const NO_POLICY: OriginRequestPolicy = { headers: NONE, cookies: NONE, queryStrings: NONE };

/** Managed policies, whose ids are the same in every account (CloudFront developer guide). */
const MANAGED: Readonly<Record<string, OriginRequestPolicy>> = {
  // AllViewer
  "216adef6-5c7f-47e4-b989-5492eafa07d3": { headers: ALL, cookies: ALL, queryStrings: ALL },
  // AllViewerExceptHostHeader
  "b689b0a8-53d0-40ab-baf2-68738e2966ac": {
    headers: { which: "all-but", names: ["Host"] },
    cookies: ALL,
    queryStrings: ALL,
  },
};

/** CloudFront's words for a selection. What adds headers of CloudFront's own is not played. */
const BEHAVIORS = {
  none: "none",
  whitelist: "only",
  all: "all",
  allViewer: "all",
  allExcept: "all-but",
} as const;

/** @throws {Error} naming what cannot be played: a policy that is neither declared nor known, a behaviour. */
export function readOriginRequestPolicy(graph: DeclaredGraph, behavior: Declared): OriginRequestPolicy {
  if (!behavior.has("originRequestPolicyId")) return NO_POLICY;
  const id = behavior.text("originRequestPolicyId");
  const managed = MANAGED[id];
  if (managed !== undefined) return managed;
  const resource = ofType(graph, "aws:cloudfront/originRequestPolicy:OriginRequestPolicy").find(
    (policy) => policy.id === id,
  );
  if (resource === undefined) {
    throw new Error(
      `${behavior.where}: originRequestPolicyId is neither a declared policy nor a managed one that is played here.`,
    );
  }
  const inputs = Declared.inputsOf(resource);
  return {
    headers: readSelection(inputs.object("headersConfig"), "headerBehavior", "headers"),
    cookies: readSelection(inputs.object("cookiesConfig"), "cookieBehavior", "cookies"),
    queryStrings: readSelection(inputs.object("queryStringsConfig"), "queryStringBehavior", "queryStrings"),
  };
}

function readSelection(config: Declared, behavior: string, list: string): Selection {
  const words = Object.keys(BEHAVIORS) as (keyof typeof BEHAVIORS)[]; // Object.keys forgets them.
  const which = BEHAVIORS[config.choice(behavior, words, "none")];
  if (which === "none" || which === "all") return { which };
  return { which, names: config.object(list).texts("items") };
}

/** What the protocol itself needs, whatever a policy says. */
const OF_THE_MESSAGE = ["content-length", "content-type"];

/** The viewer's headers that a policy passes on. Cookies are its own matter, and not that of its headers. */
export function selectHeaders(policy: OriginRequestPolicy, headers: Headers): Headers {
  const passed = without(headers, "Cookie").filter(
    ([name]) => OF_THE_MESSAGE.includes(name.toLowerCase()) || selects(policy.headers, name, lower),
  );
  const cookies = valuesOf(headers, "Cookie")
    .flatMap((value) => value.split(/; */))
    .filter((pair) => selects(policy.cookies, nameOf(pair), exact));
  return cookies.length === 0 ? passed : [...passed, ["Cookie", cookies.join("; ")]];
}

/** A path and query, with what a policy passes on of the query. */
export function selectQuery({ queryStrings }: OriginRequestPolicy, target: string): string {
  if (queryStrings.which === "all") return target;
  const { path, query } = splitTarget(target);
  const passed = query.split("&").filter((pair) => pair !== "" && selects(queryStrings, nameOf(pair), exact));
  return passed.length === 0 ? path : `${path}?${passed.join("&")}`;
}

/** What reaches an origin, in words. */
export function describePolicy({ headers, cookies, queryStrings }: OriginRequestPolicy): string {
  return [
    describeSelection("headers", headers),
    describeSelection("cookies", cookies),
    describeSelection("query strings", queryStrings),
  ].join(", ");
}

function describeSelection(what: string, selection: Selection): string {
  switch (selection.which) {
    case "none":
    case "all":
      return `${selection.which === "none" ? "no" : "all"} ${what}`;
    case "only":
      return `the ${what} ${selection.names.join(" ")}`;
    case "all-but":
      return `all ${what} but ${selection.names.join(" ")}`;
  }
}

function selects(selection: Selection, name: string, fold: (name: string) => string): boolean {
  switch (selection.which) {
    case "none":
      return false;
    case "all":
      return true;
    case "only":
    case "all-but": {
      const named = selection.names.some((candidate) => fold(candidate) === fold(name));
      return named === (selection.which === "only");
    }
  }
}

function nameOf(pair: string): string {
  return pair.split("=", 1)[0] ?? "";
}

function lower(name: string): string {
  return name.toLowerCase();
}

function exact(name: string): string {
  return name;
}
