/**
 * Conditions of listener rules.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
 */
import { BlockList, isIPv6 } from "node:net";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { FieldReader } from "../fieldReader.ts";
import { type Headers, valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";
import { foldCase, keepCase } from "../letterCase.ts";
import { matchesWildcard } from "../wildcard.ts";

/** Matches if any of the values does. `*` and `?` are wildcards, except in methods and addresses. */
export type RuleCondition =
  | { readonly kind: "http-header"; readonly header: string; readonly values: readonly string[] }
  | {
      readonly kind: "host-header" | "path-pattern" | "http-request-method" | "source-ip";
      readonly values: readonly string[];
    }
  | { readonly kind: "query-string"; readonly values: readonly QueryValue[] };

interface QueryValue {
  /** `undefined`: any key. */
  readonly key: string | undefined;
  readonly value: string;
}

/** The parts of a request that conditions read. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  /** As the client sent them. */
  readonly headers: Headers;
  /** The address of the connection's other end. `X-Forwarded-For` has no effect on conditions. */
  readonly peerAddress: string;
}

/** Inputs of a condition with a list of texts, and their kinds. */
const TEXT_CONDITIONS = [
  ["hostHeader", "host-header"],
  ["pathPattern", "path-pattern"],
  ["httpRequestMethod", "http-request-method"],
  ["sourceIp", "source-ip"],
] as const;

/** @throws {ExpectedError} if the local stack cannot emulate a condition. */
export function readConditions(condition: FieldReader): RuleCondition[] {
  const found: RuleCondition[] = TEXT_CONDITIONS.filter(([input]) => condition.has(input)).map(
    ([input, kind]) => ({ kind, values: condition.object(input).texts("values") }),
  );
  if (condition.has("httpHeader")) {
    const inputs = condition.object("httpHeader");
    found.push({
      kind: "http-header",
      header: inputs.text("httpHeaderName"),
      values: inputs.texts("values"),
    });
  }
  if (condition.has("queryStrings")) {
    const values = condition
      .list("queryStrings")
      .map((pair) => ({ key: pair.has("key") ? pair.text("key") : undefined, value: pair.text("value") }));
    found.push({ kind: "query-string", values });
  }
  // To skip a condition would forward requests that AWS does not forward.
  if (found.length === 0 || found.some(({ values }) => values.length === 0)) {
    const inputs = [...TEXT_CONDITIONS.map(([input]) => input), "httpHeader", "queryStrings"].join(", ");
    throw new ExpectedError(
      `${condition.path}: regular expressions are unsupported by the local stack; expected values of ${inputs}.`,
    );
  }
  return found;
}

export function matchesCondition(condition: RuleCondition, request: RequestHead): boolean {
  const { headers, target, method, peerAddress } = request;
  switch (condition.kind) {
    case "http-header":
      return matchesAny(condition.values, valuesOf(headers, condition.header), foldCase);
    case "host-header":
      // Rules apply to the first Host header.
      return matchesAny(condition.values, valuesOf(headers, "host").slice(0, 1).map(hostName), foldCase);
    case "path-pattern":
      return matchesAny(condition.values, [splitTarget(target).path], keepCase);
    case "http-request-method":
      return condition.values.includes(method);
    case "source-ip":
      return condition.values.some((range) => isInRange(range, peerAddress));
    case "query-string":
      return matchesQuery(condition.values, splitTarget(target).query);
  }
}

function matchesAny(
  patterns: readonly string[],
  texts: readonly string[],
  fold: (text: string) => string,
): boolean {
  return patterns.some((pattern) => texts.some((text) => matchesWildcard(fold(pattern), fold(text))));
}

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_QueryStringConditionConfig.html */
function matchesQuery(expected: readonly QueryValue[], query: string): boolean {
  const pairs = query.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    return equals < 0
      ? { key: "", value: pair }
      : { key: pair.slice(0, equals), value: pair.slice(equals + 1) };
  });
  const matches = (pattern: string, text: string): boolean =>
    matchesWildcard(escaped(foldCase(pattern)), literal(foldCase(text)));
  return expected.some(({ key, value }) =>
    pairs.some((pair) => (key === undefined || matches(key, pair.key)) && matches(value, pair.value)),
  );
}

/** Characters of the private use area stand for a literal `*` and `?`, which a query string condition escapes by a backslash. */
const LITERALS: Readonly<Record<string, string>> = { "*": "\uE000", "?": "\uE001" };

function escaped(pattern: string): string {
  return pattern.replaceAll(/\\([*?])/g, (_, wildcard: string) => LITERALS[wildcard] ?? "");
}

function literal(text: string): string {
  return text.replaceAll(/[*?]/g, (wildcard) => LITERALS[wildcard] ?? "");
}

/** @param range an address and a prefix length, such as `192.0.2.0/24` or `2001:db8::/32`. */
function isInRange(range: string, address: string): boolean {
  const [network = "", prefix] = range.split("/");
  const family = (ip: string): "ipv4" | "ipv6" => (isIPv6(ip) ? "ipv6" : "ipv4");
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family(network));
  return list.check(address, family(address));
}
