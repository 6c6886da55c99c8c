/** A client of server-sent events, as a browser reads them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";

import { due, waitUntil } from "../../../support/waitUntil.ts";
import { afterwards } from "../../support/teardown.ts";

export interface StreamEvent {
  readonly type: string;
  /** The id of the last event, with those without data. */
  readonly id: string;
  readonly data: unknown;
}

export class EventClient {
  readonly response: IncomingMessage;
  readonly #request: ClientRequest;
  readonly #events: StreamEvent[] = [];
  #text = "";
  #id = "";
  comments = 0;
  hasEnded = false;

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      this.#text += text;
      this.#parse();
    });
    response.on("error", () => undefined);
    response.on("close", () => {
      this.hasEnded = true;
    });
  }

  /** The id that the client would resume with. */
  get lastId(): string {
    return this.#id;
  }

  async next(): Promise<StreamEvent> {
    await waitUntil(() => this.#events.length > 0 || this.hasEnded);
    return this.#events.shift() ?? assert.fail("the stream has ended");
  }

  /** Returns the value of the next event, which must be a message. */
  async nextMessage(): Promise<unknown> {
    const { type, data } = await this.next();
    assert.equal(type, "message");
    return (data as { readonly message: unknown }).message;
  }

  /** Takes the events that have arrived so far. */
  takeAll(): readonly StreamEvent[] {
    return this.#events.splice(0);
  }

  close(): void {
    this.#request.destroy();
  }

  #parse(): void {
    for (let end = this.#text.indexOf("\n\n"); end >= 0; end = this.#text.indexOf("\n\n")) {
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      let type = "message";
      let data: string | undefined;
      for (const line of block.split("\n")) {
        const [, field = "", value = ""] = /^([^:]*): (.*)$/.exec(line) ?? assert.fail(line);
        if (field === "") this.comments += 1;
        else if (field === "id") this.#id = value;
        else if (field === "event") type = value;
        else if (field === "data") data = value;
        else assert.equal(field, "retry");
      }
      if (data !== undefined) this.#events.push({ type, id: this.#id, data: JSON.parse(data) });
    }
  }
}

/** Requests a stream. The answer can be another status. */
export async function openStream(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventClient> {
  const request = httpRequest(url, { agent: false, headers: { Accept: "text/event-stream", ...headers } });
  request.on("error", () => undefined);
  afterwards(() => request.destroy());
  const responding = once(request, "response");
  request.end();
  const [response] = (await due(responding, "an answer")) as [IncomingMessage];
  return new EventClient(request, response);
}

/** Requests a stream, and waits for its start. */
export async function follow(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventClient> {
  const stream = await openStream(url, headers);
  assert.equal(stream.response.statusCode, 200);
  assert.equal(stream.response.headers["content-type"], "text/event-stream");
  await waitUntil(() => stream.lastId !== "");
  return stream;
}
