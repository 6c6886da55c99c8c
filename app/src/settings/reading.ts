/** Reads values by their definitions, and names each illegal member of an object. */
import { allowedValues, decode, quoteValue } from "./definition.ts";
import type { Definition, MemberDefinition, RecordsDefinition } from "./definition.ts";
import { nearest } from "./nearest.ts";
import type { Problem } from "./problem.ts";

/** An illegal value, or an illegal part of it. */
export interface Fault extends Pick<Problem, "got" | "expected"> {
  /** The part, such as `[1].seconds`; empty for the whole value. */
  readonly at: string;
  /** A legal number for the part, or whether the value is legal without the part. Otherwise only the user can correct it. */
  readonly remedy?: number | "remove";
}

export type Reading = { readonly value: unknown } | { readonly faults: readonly Fault[] };

/** Parses a value. See `decode`; a list of objects is a JSON array, and an empty text is an empty list of objects. */
export function readText(definition: Definition, text: string): Reading {
  if (definition.kind === "records") {
    return readRecords(definition, text === "" ? [] : (parseJson(text) ?? text));
  }
  const value = decode(definition, text);
  if (value !== undefined) return { value };
  return { faults: [{ at: "", got: quoteValue(text), expected: allowedValues(definition) }] };
}

/** Checks a list of objects. The objects that it returns have no other members, and the order of the definition. */
export function readRecords(definition: RecordsDefinition, value: unknown): Reading {
  const { maxRecords, members, required } = definition;
  if (!Array.isArray(value)) return { faults: [faultOf("", value, allowedValues(definition), "remove")] };
  if (value.length > maxRecords) {
    const expected = `at most ${maxRecords}`;
    return { faults: [{ at: "", got: `${value.length} objects`, expected, remedy: "remove" }] };
  }
  const faults: Fault[] = [];
  const records = value.map((record: unknown, index) => {
    const at = `[${index}]`;
    if (!isRecord(record)) {
      faults.push(faultOf(at, record, `an object with ${Object.keys(members).join(", ")}`, "remove"));
      return {};
    }
    faults.push(...findUnknownMembers(members, at, record));
    return Object.fromEntries(
      Object.entries<MemberDefinition>(members).flatMap(([name, member]) => {
        const given = record[name] ?? undefined;
        if (given === undefined && name !== required) return [];
        const read = readMember(member, `${at}.${name}`, given);
        if ("fault" in read) faults.push(read.fault);
        return "fault" in read ? [] : [[name, read.value]];
      }),
    );
  });
  return faults.length > 0 ? { faults } : { value: records };
}

/** A number can be a text, as the values of other keys in a stack file. */
function readMember(
  definition: MemberDefinition,
  at: string,
  given: unknown,
): { readonly value: unknown } | { readonly fault: Fault } {
  const isText = typeof given === "string";
  const isNumber = definition.kind === "integer" && typeof given === "number";
  const value = isText || isNumber ? decode(definition, String(given)) : undefined;
  if (value !== undefined) return { value };
  const fault = faultOf(at, given, allowedValues(definition));
  if (definition.kind === "text") return { fault };
  const number = isText || isNumber ? Number(given) : NaN;
  const remedy = Number.isNaN(number) ? "remove" : clamp(number, definition);
  return { fault: { ...fault, remedy } };
}

function clamp(value: number, { min, max }: { readonly min: number; readonly max: number }): number {
  return Math.min(Math.max(Math.round(value), min), max);
}

function findUnknownMembers(
  members: Readonly<Record<string, MemberDefinition>>,
  at: string,
  record: Readonly<Record<string, unknown>>,
): readonly Fault[] {
  const known = Object.keys(members);
  return Object.keys(record)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return {
        at: `${at}${pathOf(name)}`,
        got: "an unknown member",
        expected: meant === undefined ? `one of ${known.join(", ")}` : `a known one (did you mean ${meant}?)`,
        remedy: "remove",
      };
    });
}

/** The path of a member in the form of `pulumi config set --path`. */
function pathOf(name: string): string {
  return /^\w+$/.test(name) ? `.${name}` : `[${quoteValue(name)}]`;
}

function faultOf(at: string, value: unknown, expected: string, remedy?: "remove"): Fault {
  return { at, got: describe(value), expected, ...(remedy !== undefined && { remedy }) };
}

/** An object can contain more than a message should. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return quoteValue(value);
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns `undefined` for malformed JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
