/** Decodes commands and encodes replies in RESP2 (https://valkey.io/topics/protocol). */

/** A simple string, such as `OK`. */
export interface Status {
  readonly status: string;
}

/** An error within the reply of a script. */
export interface ErrorReply {
  readonly error: string;
}

export type Reply = string | number | null | Status | ErrorReply | typeof NULL_ARRAY | readonly Reply[];

/** An error reply. The message begins with the error code, such as `ERR`. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export const OK: Status = { status: "OK" };

/** The reply of a command that finds no entries. */
export const NULL_ARRAY = Symbol("null array");

const LINE_END = "\r\n";

/** Parses commands in a stream of bytes. */
export class CommandParser {
  #unread: Buffer = Buffer.alloc(0);

  /**
   * @returns the commands that are complete now, each with its name and arguments.
   * @throws {Error} if the bytes are no command.
   */
  push(chunk: Buffer): readonly (readonly string[])[] {
    const bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    const commands: (readonly string[])[] = [];
    let at = 0;
    for (;;) {
      const parsed = parseCommand(bytes, at);
      if (parsed === undefined) break;
      commands.push(parsed.words);
      at = parsed.end;
    }
    this.#unread = bytes.subarray(at);
    return commands;
  }
}

function parseCommand(
  bytes: Buffer,
  start: number,
): { readonly words: readonly string[]; readonly end: number } | undefined {
  const count = parseCount(bytes, start, "*");
  if (count === undefined) return undefined;
  const words: string[] = [];
  let at = count.end;
  for (let n = 0; n < count.value; n++) {
    const length = parseCount(bytes, at, "$");
    if (length === undefined) return undefined;
    const end = length.end + length.value;
    if (bytes.length < end + LINE_END.length) return undefined;
    words.push(bytes.toString("utf8", length.end, end));
    at = end + LINE_END.length;
  }
  return { words, end: at };
}

function parseCount(
  bytes: Buffer,
  start: number,
  mark: string,
): { readonly value: number; readonly end: number } | undefined {
  const end = bytes.indexOf(LINE_END, start);
  if (end === -1) return undefined;
  const line = bytes.toString("latin1", start, end);
  const value = line.startsWith(mark) && /^\d+$/.test(line.slice(1)) ? Number(line.slice(1)) : NaN;
  if (Number.isNaN(value)) throw new Error(`Expected ${mark} and a number, not ${JSON.stringify(line)}.`);
  return { value, end: end + LINE_END.length };
}

export function encodeReply(reply: Reply): string {
  if (reply === null) return `$-1${LINE_END}`;
  if (reply === NULL_ARRAY) return `*-1${LINE_END}`;
  if (typeof reply === "number") return `:${reply}${LINE_END}`;
  if (typeof reply === "string") {
    return `$${Buffer.byteLength(reply)}${LINE_END}${reply}${LINE_END}`;
  }
  if ("status" in reply) return `+${reply.status}${LINE_END}`;
  if ("error" in reply) return encodeError({ message: reply.error });
  return `*${reply.length}${LINE_END}${reply.map(encodeReply).join("")}`;
}

export function encodeError({ message }: Pick<CommandError, "message">): string {
  return `-${message.replaceAll(/[\r\n]/g, " ")}${LINE_END}`;
}
