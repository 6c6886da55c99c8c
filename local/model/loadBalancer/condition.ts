/** The conditions of a listener's rules. */
import type { Declared } from "../declared.ts";
import { type Headers, valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";
import { matchesWildcard } from "../wildcard.ts";

/** Holds where any of the values matches; `*` and `?` are wildcards. */
export interface Condition {
  readonly kind: "http-header" | "host-header" | "path-pattern" | "http-request-method";
  /** Name of the header, for `http-header` only. */
  readonly header: string | undefined;
  readonly values: readonly string[];
}

/** What a rule can look at. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: Headers;
}

/** Input of a rule's condition, and the kind that it makes. */
const CONDITIONS = [
  ["httpHeader", "http-header"],
  ["hostHeader", "host-header"],
  ["pathPattern", "path-pattern"],
  ["httpRequestMethod", "http-request-method"],
] as const;
const CONDITIONS_NOT_PLAYED = ["queryStrings", "sourceIp"];

/** @throws {Error} where it cannot be played. */
export function readConditions(condition: Declared): Condition[] {
  const found = CONDITIONS.filter(([input]) => condition.has(input)).map(([input, kind]) => {
    const inputs = condition.object(input);
    const header = kind === "http-header" ? inputs.text("httpHeaderName") : undefined;
    return { kind, header, values: inputs.texts("values") };
  });
  // A condition that is left out would let requests through that the cloud stops.
  if (found.length === 0 || found.some(({ values }) => values.length === 0)) {
    throw new Error(
      `${condition.where}: only values of ${CONDITIONS.map(([input]) => input).join(", ")} are played here; ` +
        `${CONDITIONS_NOT_PLAYED.join(", ")} and regular expressions are not.`,
    );
  }
  return found;
}

export function holds({ kind, header, values }: Condition, request: RequestHead): boolean {
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
