/** Clients of `channels.v1`. */
import assert from "node:assert/strict";

import type { ClientOptions } from "ws";

import { CHANNELS_SUBPROTOCOL } from "../../../app/src/wire/messages.ts";
import { Client } from "./client.ts";
import { afterwards } from "./teardown.ts";

/** Connects a client, and reads its greeting. */
export async function connectChannels(url: string, options: ClientOptions = {}): Promise<ChannelsClient> {
  const client = new ChannelsClient(url, { ...options, protocol: CHANNELS_SUBPROTOCOL });
  afterwards(() => {
    client.webSocket.terminate();
  });
  const { connection } = await client.nextObject();
  assert.equal(connection, "ok");
  return client;
}

export interface Subscribed {
  readonly epoch: string;
  readonly offset: number;
}

export class ChannelsClient extends Client {
  /** Returns the next message from the server that is no heartbeat. The first heartbeat can come at any time. */
  async nextObject(): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const value = await this.nextValue();
      assert.ok(typeof value === "object" && value !== null);
      if (Object.keys(value).join() !== "heartbeat") return value as Readonly<Record<string, unknown>>;
    }
  }

  /** Subscribes. The answer must be the next message. @param start `{ epoch, offset }` or `{ last }`. */
  async subscribe(name: string, start: object = {}): Promise<Subscribed> {
    this.send({ subscribe: name, ...start });
    const { subscribed, epoch, offset } = await this.nextObject();
    assert.equal(subscribed, name);
    assert.ok(typeof epoch === "string" && typeof offset === "number");
    return { epoch, offset };
  }

  /** Publishes. The acknowledgement must be the next message. Returns the offset. */
  async publish(channel: string, publish: unknown, id: string): Promise<number> {
    this.send({ publish, channel, id });
    const answer = await this.nextObject();
    assert.equal(answer["ack"], id, JSON.stringify(answer));
    assert.equal(answer["channel"], channel);
    assert.ok(typeof answer["offset"] === "number");
    return answer["offset"];
  }

  /** The next message must be a published one of this channel. */
  async expect(channel: string, offset: number, message: unknown): Promise<void> {
    assert.deepEqual(await this.nextObject(), { channel, offset, message });
  }

  /** The next message must be an error. Returns its code. */
  async expectError(channel: string | undefined): Promise<unknown> {
    const answer = await this.nextObject();
    const error = answer["error"] as { readonly code: unknown; readonly channel?: unknown } | undefined;
    assert.ok(error !== undefined, JSON.stringify(answer));
    assert.equal(error.channel, channel);
    return error.code;
  }
}
