/** Compares the properties of a resource with the limits of AWS. */
import { isRecord, UNKNOWN, UnknownValueError } from "../values.ts";
import type { Values } from "../values.ts";
import { AWS_LIMITS } from "./awsLimits.ts";

export interface Violation {
  /** Path of the value, such as `conditions[0].httpHeader.values[1]`. */
  readonly property: string;
  /** One line: the value, the accepted values, and the page of the AWS documentation. */
  readonly message: string;
}

/**
 * Yields the values that AWS would reject.
 * @param properties inputs of a resource. {@link UNKNOWN} values are skipped.
 * @throws {UnknownValueError} at the end, if a value that a limit needs is unknown.
 */
export function* findViolations(type: string, properties: Values): Generator<Violation> {
  let unknown: UnknownValueError | undefined;
  for (const { path, isValid, expected, describe = JSON.stringify, source } of limitsOf(type)) {
    for (const { property, value } of findValues(properties, path)) {
      try {
        if (value === UNKNOWN) throw new UnknownValueError(`${property} is not known yet.`);
        if (isValid(value, properties)) continue;
      } catch (error) {
        if (!(error instanceof UnknownValueError)) throw error;
        unknown = error;
        continue;
      }
      yield { property, message: `got ${describe(value)}; expected ${expected} (${source})` };
    }
  }
  if (unknown !== undefined) throw unknown;
}

function limitsOf(type: string): typeof AWS_LIMITS {
  return AWS_LIMITS.filter((limit) => limit.type === type);
}

interface Found {
  readonly property: string;
  readonly value: unknown;
}

/** Returns the values at a path. If a part of the path is missing, there are none. */
function findValues(properties: Values, path: string): readonly Found[] {
  return path
    .split(".")
    .reduce<readonly Found[]>(
      (found, step) => found.flatMap((outer) => findAtStep(outer, step)),
      [{ property: "", value: properties }],
    );
}

function findAtStep({ property, value }: Found, step: string): readonly Found[] {
  if (value === UNKNOWN) return [{ property, value }];
  const [key = ""] = step.split("[]");
  const fields = parseJson(value);
  const inner = isRecord(fields) ? (fields[key] ?? undefined) : undefined;
  if (inner === undefined) return [];
  const found = { property: property === "" ? key : `${property}.${key}`, value: inner };
  if (!step.endsWith("[]") || inner === UNKNOWN) return [found];
  const list = parseJson(inner);
  return Array.isArray(list)
    ? list.map((item: unknown, index) => ({ property: `${found.property}[${index}]`, value: item }))
    : [];
}

function parseJson(value: unknown): unknown {
  return typeof value === "string" && /^[[{]/.test(value) ? (JSON.parse(value) as unknown) : value;
}
