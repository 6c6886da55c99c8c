/** The errors of HTTP requests, as problem details. @see https://www.rfc-editor.org/rfc/rfc9457 */
import { STATUS_CODES } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";

import type { Response } from "express";

import { codeLabel } from "../wire/messages.ts";
import type { ErrorBody, ErrorCode } from "../wire/messages.ts";
import { RETRY_AFTER_SECONDS } from "./refusal.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** Codes of errors that only HTTP requests have. */
export type HttpErrorCode =
  | "invalid_request"
  | "unauthorized"
  | "not_found"
  | "method_not_allowed"
  | "unsupported_media_type"
  | "internal_error";

/** Codes of the server. An application can add others. */
export type ProblemCode = ErrorCode | HttpErrorCode;

/** The status of each code. */
export const PROBLEM_STATUSES: Readonly<Record<ProblemCode, number>> = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_message: 400,
  invalid_channel: 400,
  too_deep: 400,
  unsafe_number: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  id_in_use: 409,
  already_subscribed: 409,
  too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  too_many_channels: 429,
  too_many_subscriptions: 429,
  internal_error: 500,
  unavailable: 503,
};

/** The status of a code that an application has added: the request was understood, and refused. */
const OTHER_STATUS = 422;

const RETRY_STATUSES: ReadonlySet<number> = new Set([429, 503]);

/** A header for a problem after which the rest of the request is not read. */
export const CLOSE: OutgoingHttpHeaders = { Connection: "close" };

/** An error of a request. A handler throws it, and the client receives it. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** @see ProblemCode */
  readonly code: string;
  readonly status: number;
  /** Further headers of the answer. */
  readonly headers: OutgoingHttpHeaders;

  /**
   * @param code a {@link ProblemCode}, or one of the application.
   * @param detail for developers. The text can change in any release.
   */
  constructor(code: string, detail: string, headers: OutgoingHttpHeaders = {}) {
    super(detail);
    this.code = code;
    this.status = isProblemCode(code) ? PROBLEM_STATUSES[code] : OTHER_STATUS;
    this.headers = headers;
  }

  /** Returns the problem of an error message. */
  static of({ code, message }: Pick<ErrorBody, "code" | "message">): Problem {
    return new Problem(code, message);
  }

  /** Returns the members of the problem details. */
  toJSON(): ProblemDetails {
    const { status, message: detail, code } = this;
    return { type: "about:blank", title: STATUS_CODES[status] ?? "Error", status, detail, code };
  }
}

export interface ProblemDetails {
  readonly type: "about:blank";
  /** The phrase of the status. */
  readonly title: string;
  readonly status: number;
  /** For developers. */
  readonly detail: string;
  readonly code: string;
}

/** Answers a request with a problem. */
export function sendProblem(response: Response, problem: Problem): void {
  const { status, headers } = problem;
  response
    .status(status)
    .set({
      "Content-Type": PROBLEM_TYPE,
      "Cache-Control": "no-store",
      ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
      ...(RETRY_STATUSES.has(status) && { "Retry-After": String(RETRY_AFTER_SECONDS) }),
    })
    .set(headers)
    .end(JSON.stringify(problem));
}

/** Returns the label of a problem in the metrics. */
export function problemLabel(problem: Problem): string {
  return isProblemCode(problem.code) ? problem.code : codeLabel(problem);
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEM_STATUSES, code);
}
