import { isUtf8 } from "node:buffer";

import type { Request, Response } from "express";

import type { User } from "../auth/users.ts";
import type { HeldBytes, Holder } from "../connection/heldBytes.ts";
import { CLOSE, Problem } from "./problem.ts";

export interface BodyLimits {
  /** Maximum size of the body. */
  readonly maxBytes: number;
  /** Counts the bytes that have arrived, until the body is complete. */
  readonly held: HeldBytes;
}

/**
 * Reads the body of a request.
 * @returns the text; `undefined` if it is not UTF-8.
 * @throws {Problem} if it is encoded, larger than `maxBytes`, or incomplete, or if the task holds too much.
 */
export async function readBody(
  request: Request,
  response: Response,
  user: User,
  { maxBytes, held }: BodyLimits,
): Promise<{ readonly text: string | undefined; readonly bytes: number }> {
  const encoding = request.get("Content-Encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new Problem("unsupported_media_type", "Content-Encoding must be identity.", CLOSE);
  }
  // Node.js has checked the header.
  const declared = Number(request.get("Content-Length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  // No further event follows if the client has left meanwhile.
  if (response.destroyed) throw incomplete();
  const incoming = new IncomingBody(user, { maxBytes, held });
  const onIncomplete = (): void => {
    incoming.fail(incomplete());
  };
  const onData = (chunk: Buffer): void => {
    incoming.add(chunk);
  };
  const onEnd = (): void => {
    incoming.end();
  };
  request.on("data", onData).on("end", onEnd).on("error", onIncomplete).on("close", onIncomplete);
  try {
    const body = await incoming.body;
    return { text: isUtf8(body) ? body.toString() : undefined, bytes: body.length };
  } finally {
    // A listener for errors remains, because Node.js reports a connection that closes later as an error.
    request.off("data", onData).off("end", onEnd).off("close", onIncomplete);
  }
}

/** A body whose chunks arrive. What has arrived counts with the incomplete messages of WebSockets. */
class IncomingBody implements Holder {
  readonly user: User;
  readonly isPaused = false;
  readonly #limits: BodyLimits;
  readonly #result = Promise.withResolvers<Buffer>();
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;

  constructor(user: User, limits: BodyLimits) {
    this.user = user;
    this.#limits = limits;
  }

  /** The whole body. */
  get body(): Promise<Buffer> {
    return this.#result.promise;
  }

  add(chunk: Buffer): void {
    if (this.#chunks === undefined) return;
    const { maxBytes, held } = this.#limits;
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) {
      this.fail(tooLarge(maxBytes));
      return;
    }
    this.#chunks.push(chunk);
    held.set(this, this.#bytes);
  }

  end(): void {
    if (this.#chunks === undefined) return;
    this.#result.resolve(Buffer.concat(this.#chunks, this.#bytes));
    this.#release();
  }

  /** Drops what has arrived. Has no effect after the first result. */
  fail(problem: Problem): void {
    if (this.#chunks === undefined) return;
    this.#result.reject(problem);
    this.#release();
  }

  onTooMuchHeld(): void {
    this.fail(
      new Problem("unavailable", "The server holds too much that is unfinished; send it again later.", CLOSE),
    );
  }

  /** The HTTP server limits the time of a request. */
  onHeldTooLong(): void {
    return undefined;
  }

  #release(): void {
    this.#chunks = undefined;
    this.#limits.held.set(this, 0);
  }
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("too_large", `The body has more than ${maxBytes} bytes.`, CLOSE);
}

/** The client has closed the connection, and receives no answer. */
function incomplete(): Problem {
  return new Problem("invalid_request", "The body is not complete.");
}
