/** Requests to the HTTP API of a server in the process of the test. */
import assert from "node:assert/strict";

import type { ProblemDetails } from "../../../../app/src/http/problem.ts";

/** Two keys, as the settings have them. */
export const KEY = "k".repeat(64);
export const PREVIOUS_KEY = "p".repeat(64);
export const API_KEYS = `${KEY} ${PREVIOUS_KEY}`;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Sends a request, and parses the answer if it is JSON. */
export async function send(
  url: string,
  { method = "GET", headers = {}, body }: RequestOptions = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers,
    ...(body !== undefined && { body: new Uint8Array(Buffer.from(body)) }),
  });
  const text = await response.text();
  const isJson =
    /\bjson\b/.test(response.headers.get("content-type") ?? "") &&
    !(response.headers.get("content-type") ?? "").includes("ndjson");
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

export function messagesOf(origin: string, channel = "room.7"): string {
  return `${origin}/channels/${channel}/messages`;
}

/** Publishes a JSON text. */
export function post(
  url: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return send(url, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
}

/** Checks that an answer is a problem, and returns its detail. */
export function problemIn(
  { status, headers, body }: Answer,
  expected: Pick<ProblemDetails, "status" | "code">,
): string {
  assert.deepEqual({ status, code: (body as ProblemDetails).code }, expected, JSON.stringify(body));
  assert.equal(headers.get("content-type"), "application/problem+json");
  const { type, title, detail, ...rest } = body as ProblemDetails;
  assert.equal(type, "about:blank");
  assert.notEqual(title, "");
  assert.deepEqual(rest, expected);
  return detail;
}
