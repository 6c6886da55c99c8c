/** Origin request policies: the headers, cookies and query strings of a viewer request that the origin receives. */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import { type Headers, valuesOf, without } from "../headers.ts";
import { foldCase, keepCase } from "../letterCase.ts";
import { splitTarget } from "../requestTarget.ts";

/** Header names are compared without regard to case. */
type Selection =
  | { readonly which: "none" | "all" }
  | { readonly which: "only" | "all-but"; readonly names: readonly string[] };

export interface DeclaredOriginRequestPolicy {
  readonly headers: Selection;
  readonly cookies: Selection;
  readonly queryStrings: Selection;
}

const ALL: Selection = { which: "all" };
const NONE: Selection = { which: "none" };

/** A cache behavior without a policy forwards only the headers that describe the body, if its cache policy adds none. */
const NO_POLICY: DeclaredOriginRequestPolicy = { headers: NONE, cookies: NONE, queryStrings: NONE };

/**
 * Managed policies.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
 */
const MANAGED: Readonly<Record<string, DeclaredOriginRequestPolicy>> = {
  // AllViewer
  "216adef6-5c7f-47e4-b989-5492eafa07d3": { headers: ALL, cookies: ALL, queryStrings: ALL },
  // AllViewerExceptHostHeader
  "b689b0a8-53d0-40ab-baf2-68738e2966ac": {
    headers: { which: "all-but", names: ["Host"] },
    cookies: ALL,
    queryStrings: ALL,
  },
};

/** CloudFront's names of selections. Those that add headers of CloudFront are unsupported. */
const BEHAVIORS = {
  none: "none",
  whitelist: "only",
  all: "all",
  allViewer: "all",
  allExcept: "all-but",
} as const;

/** @throws {ExpectedError} if the policy is neither declared nor one of {@link MANAGED}, or a selection is unsupported. */
export function readOriginRequestPolicy(
  graph: DeclaredGraph,
  behavior: FieldReader,
): DeclaredOriginRequestPolicy {
  if (!behavior.has("originRequestPolicyId")) return NO_POLICY;
  const id = behavior.text("originRequestPolicyId");
  const managed = MANAGED[id];
  if (managed !== undefined) return managed;
  const resource = findResources(graph, "aws:cloudfront/originRequestPolicy:OriginRequestPolicy").find(
    (policy) => policy.id === id,
  );
  if (resource === undefined) {
    throw behavior.unsupportedError(
      "originRequestPolicyId",
      "a policy that the program declares, AllViewer or AllViewerExceptHostHeader",
    );
  }
  const inputs = FieldReader.inputsOf(resource);
  return {
    headers: readSelection(inputs.object("headersConfig"), "headerBehavior", "headers"),
    cookies: readSelection(inputs.object("cookiesConfig"), "cookieBehavior", "cookies"),
    queryStrings: readSelection(inputs.object("queryStringsConfig"), "queryStringBehavior", "queryStrings"),
  };
}

function readSelection(config: FieldReader, behavior: string, list: string): Selection {
  const words = Object.keys(BEHAVIORS) as (keyof typeof BEHAVIORS)[]; // Object.keys returns strings.
  const which = BEHAVIORS[config.choice(behavior, words, "none")];
  if (which === "none" || which === "all") return { which };
  return { which, names: config.object(list).texts("items") };
}

/** CloudFront forwards these whatever the policy is. */
const BODY_HEADERS = ["content-length", "content-type"];

/** The viewer's headers that a policy forwards. Its selection of cookies, and not that of headers, applies to the Cookie header. */
export function selectHeaders(policy: DeclaredOriginRequestPolicy, headers: Headers): Headers {
  const passed = without(headers, "Cookie").filter(
    ([name]) => BODY_HEADERS.includes(name.toLowerCase()) || selects(policy.headers, name, foldCase),
  );
  const cookies = valuesOf(headers, "Cookie")
    .flatMap((value) => value.split(/; */))
    .filter((pair) => selects(policy.cookies, nameOf(pair), keepCase));
  return cookies.length === 0 ? passed : [...passed, ["Cookie", cookies.join("; ")]];
}

/** A path and query, with the query parameters that a policy forwards. */
export function selectQuery({ queryStrings }: DeclaredOriginRequestPolicy, target: string): string {
  if (queryStrings.which === "all") return target;
  const { path, query } = splitTarget(target);
  const passed = query
    .split("&")
    .filter((pair) => pair !== "" && selects(queryStrings, nameOf(pair), keepCase));
  return passed.length === 0 ? path : `${path}?${passed.join("&")}`;
}

/** A text such as `all headers, no cookies, the query strings token`. */
export function describePolicy({ headers, cookies, queryStrings }: DeclaredOriginRequestPolicy): string {
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
