import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { type WebSocket, WebSocketServer } from "ws";

import type { RunTarget } from "../../../bench/generator/runs.ts";

const EPOCH = "an epoch";

type Request =
  | { readonly subscribe: string; readonly epoch?: string; readonly offset?: number }
  | { readonly publish: unknown; readonly channel: string; readonly id: string };

/** Faults of the server. Each text is a frame. */
export interface Faults {
  /** The messages that a client receives when it resumes. */
  readonly history?: (missed: readonly string[]) => readonly string[];
  /** The frames that a subscriber receives for a message, and the publisher for its publish. */
  readonly deliver?: (frame: string, offset: number) => readonly string[];
  readonly acknowledge?: (frame: string, offset: number) => readonly string[];
}

/** A server of `channels.v1` with faults on demand. */
export async function startChannelsServer({
  history = (missed) => missed,
  deliver = (frame) => [frame],
  acknowledge = (frame) => [frame],
}: Faults): Promise<AsyncDisposable & { readonly target: RunTarget }> {
  const logs = new Map<string, string[]>();
  const subscribers = new Map<string, Set<WebSocket>>();
  const logOf = (channel: string): string[] => {
    const log = logs.get(channel) ?? [];
    logs.set(channel, log);
    return log;
  };
  const server = new WebSocketServer({ port: 0, host: "localhost" });
  server.on("connection", (socket) => {
    const send = (frames: readonly string[]) => {
      for (const frame of frames) socket.send(frame);
    };
    send([JSON.stringify({ connection: "ok", heartbeat: 30 })]);
    socket.on("message", (data: Buffer) => {
      const request = JSON.parse(data.toString()) as Request;
      if ("subscribe" in request) {
        const { subscribe: channel, epoch } = request;
        const log = logOf(channel);
        const { offset = log.length } = request;
        subscribers.set(channel, (subscribers.get(channel) ?? new Set()).add(socket));
        send([JSON.stringify({ subscribed: channel, epoch: EPOCH, offset })]);
        if (epoch === EPOCH) send(history(log.slice(offset)));
        return;
      }
      const { publish, channel, id } = request;
      const log = logOf(channel);
      const offset = log.length + 1;
      const frame = JSON.stringify({ channel, offset, message: publish });
      log.push(frame);
      for (const subscriber of subscribers.get(channel) ?? [])
        for (const each of deliver(frame, offset)) subscriber.send(each);
      send(acknowledge(JSON.stringify({ ack: id, channel, epoch: EPOCH, offset }), offset));
    });
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    target: {
      host: "localhost",
      ports: [port],
      hasTls: false,
      pids: [process.pid],
      storePids: [process.pid],
      protocol: "channels.v1",
    },
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate();
      server.close();
      await once(server, "close");
    },
  };
}
