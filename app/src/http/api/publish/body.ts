import { isUtf8 } from "node:buffer";

import type { Request, Response } from "express";

import { Problem } from "../../problem.ts";
import type { PendingRequests } from "../pendingRequests.ts";

/** The rest of the body is not read. */
const CLOSE = { Connection: "close" };

/**
 * Reads the body of a request.
 * @returns the text; `undefined` if it is not UTF-8.
 * @throws {Problem} if it is encoded, larger than `maxBytes`, or incomplete, or if the task has too many bodies.
 */
export async function readBody(
  request: Request,
  response: Response,
  maxBytes: number,
  pending: PendingRequests,
): Promise<{ readonly text: string | undefined; readonly bytes: number }> {
  const encoding = request.get("Content-Encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new Problem("unsupported_media_type", "Content-Encoding must be identity.", CLOSE);
  }
  // Node.js has checked the header.
  const declared = Number(request.get("Content-Length") ?? maxBytes);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  if (!pending.reserve(declared, response)) {
    throw new Problem("unavailable", "The server reads too many requests; send it again later.", CLOSE);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    // The client has closed the connection, and receives no answer.
    throw new Problem("invalid_request", "The body is not complete.");
  }
  const body = Buffer.concat(chunks, bytes);
  return { text: isUtf8(body) ? body.toString() : undefined, bytes };
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("too_large", `The body has more than ${maxBytes} bytes.`, CLOSE);
}
