import { canonicalize, INVALID_ID, isId, parseJson } from "../../../wire/parseValue.ts";
import { Problem } from "../../problem.ts";

/** A message in a line of NDJSON. */
export interface BatchMessage {
  /** Canonical JSON. */
  readonly json: string;
  readonly id?: string | undefined;
}

const NO_MESSAGE = 'The line is not an object with the key "message".';

/** Parses `{"message":VALUE,"id":ID}`. Other keys are ignored. @throws {Problem} */
export function parseLine(line: string, maxPayloadBytes: number): BatchMessage {
  const parsed = parseJson(line, true);
  if (parsed.kind === "invalid") throw Problem.of(parsed.error);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || !("message" in value)) {
    throw new Problem("invalid_message", NO_MESSAGE);
  }
  const id = "id" in value ? value.id : undefined;
  if (id !== undefined && !isId(id)) throw new Problem("invalid_message", INVALID_ID);
  const canonical = canonicalize(value.message, line, true, maxPayloadBytes);
  if (canonical.kind === "invalid") throw Problem.of(canonical.error);
  return { json: canonical.json, id };
}
