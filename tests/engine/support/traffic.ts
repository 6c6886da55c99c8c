/** Follows what CloudFront sends and what the load balancer's rules accept, call by call. */
import assert from "node:assert/strict";
import { list, text } from "../../support/values.ts";
import type { Call } from "./cloud.ts";
import { DISTRIBUTION, LISTENER_RULE } from "./types.ts";

/** A header with its value, as one text. */
type Header = string;

/**
 * At no moment may CloudFront send what no rule accepts. While a distribution changes, some of its locations send the old
 * header and some the new one; when the call returns, all send the new one.
 */
export class Traffic {
  /** What each rule accepts, by its name. */
  readonly #accepted = new Map<string, readonly Header[]>();
  #sent: Header | undefined;

  /** @throws {assert.AssertionError} at the first call with which a request is refused. */
  follow(changes: readonly Call[]): void {
    for (const { method, type, name, inputs } of changes) {
      if (type === LISTENER_RULE) {
        if (method === "delete") this.#accepted.delete(name);
        else this.#accepted.set(name, acceptedBy(inputs));
        this.#check(`${method} ${name}`);
      }
      if (type === DISTRIBUTION && method !== "delete") {
        // The old header once more: it was sent until now.
        this.#check(`${method} ${name}, before`);
        this.#sent = sentBy(inputs);
        this.#check(`${method} ${name}`);
      } else if (type === DISTRIBUTION) {
        this.#sent = undefined;
      }
    }
  }

  #check(when: string): void {
    if (this.#sent === undefined) return;
    assert.ok([...this.#accepted.values()].flat().includes(this.#sent), `${when}: a request is refused`);
  }
}

function acceptedBy(inputs: unknown): readonly Header[] {
  const name = text(inputs, "conditions[0].httpHeader.httpHeaderName");
  return list(inputs, "conditions[0].httpHeader.values").map((value) => headerOf(name, String(value)));
}

function sentBy(inputs: unknown): Header {
  const header = "origins[0].customHeaders[0]";
  return headerOf(text(inputs, `${header}.name`), text(inputs, `${header}.value`));
}

/** Names and values are compared without regard to case. */
function headerOf(name: string, value: string): Header {
  return `${name}: ${value}`.toLowerCase();
}
