/** Conditions of listener rules. */
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { FieldReader } from "../fieldReader.ts";
import { type Headers, valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";
import { matchesWildcard } from "../wildcard.ts";

/** Matches if any of the values does; `*` and `?` are wildcards. */
export interface RuleCondition {
  readonly kind: "http-header" | "host-header" | "path-pattern" | "http-request-method";
  /** The name of the header; only for `http-header`. */
  readonly header: string | undefined;
  readonly values: readonly string[];
}

/** The parts of a request that conditions read. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  readonly headers: Headers;
}

/** Inputs of a condition, and their kinds. */
const CONDITIONS = [
  ["httpHeader", "http-header"],
  ["hostHeader", "host-header"],
  ["pathPattern", "path-pattern"],
  ["httpRequestMethod", "http-request-method"],
] as const;
const UNSUPPORTED_INPUTS = ["queryStrings", "sourceIp"];

/** @throws {ExpectedError} if the local stack cannot emulate a condition. */
export function readConditions(condition: FieldReader): RuleCondition[] {
  const found = CONDITIONS.filter(([input]) => condition.has(input)).map(([input, kind]) => {
    const inputs = condition.object(input);
    const header = kind === "http-header" ? inputs.text("httpHeaderName") : undefined;
    return { kind, header, values: inputs.texts("values") };
  });
  // To skip a condition would forward requests that AWS does not forward.
  if (found.length === 0 || found.some(({ values }) => values.length === 0)) {
    throw new ExpectedError(
      `${condition.path}: ${UNSUPPORTED_INPUTS.join(", ")} and regular expressions are unsupported by the local stack; ` +
        `expected values of ${CONDITIONS.map(([input]) => input).join(", ")}.`,
    );
  }
  return found;
}

export function matchesCondition({ kind, header, values }: RuleCondition, request: RequestHead): boolean {
  const any = (texts: readonly string[], fold: (text: string) => string): boolean =>
    values.some((value) => texts.some((text) => matchesWildcard(fold(value), fold(text))));
  const lower = (text: string): string => text.toLowerCase();
  const exact = (text: string): string => text;
  switch (kind) {
    case "http-header":
      return header !== undefined && any(valuesOf(request.headers, header), lower);
    case "host-header":
      return any(valuesOf(request.headers, "host").map(hostName), lower);
    case "path-pattern":
      return any([splitTarget(request.target).path], exact);
    case "http-request-method":
      return values.includes(request.method);
  }
}
