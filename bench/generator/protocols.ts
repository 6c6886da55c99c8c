/** The protocols of the measured servers on top of WebSocket frames. */

/** Placeholders in the texts of a protocol. */
type Placeholder = "CHANNEL" | "EPOCH" | "ID" | "MESSAGE" | "OFFSET";

const PLACEHOLDERS = /CHANNEL|EPOCH|ID|MESSAGE|OFFSET/g;

/** The channel that the plain dialect has without a name. */
export const DEFAULT_CHANNEL = "/";

/** Position in the log of a channel. */
export interface Position {
  readonly epoch: string;
  /** Offset of the last message before the position. */
  readonly offset: number;
}

export interface Protocol {
  /** Path and query of the handshake. */
  readonly path: string;
  /** The same for another channel than the default one, if the address has the channel. */
  readonly channelPath?: string;
  /** The client offers it, and the server must select it. */
  readonly subprotocol?: string;
  /** Messages of the server before a client is ready, in order: the start of each text, and the answer to it. */
  readonly greetings: readonly { readonly begins: string; readonly answer?: string }[];
  /** Subscribes to a channel after the greetings, at its end or at a position. Without it, the address subscribes. */
  readonly subscribe?: { readonly atEnd: string; readonly at: string; readonly answerBegins: string };
  /** Query of a handshake that resumes at a position. */
  readonly resumeQuery?: string;
  readonly publish: string;
  /** A message that was published. With an `OFFSET`, the order of all clients must be the same. */
  readonly delivery: string;
  /** The answer to a publish. */
  readonly acknowledgement?: string;
  /** A heartbeat as a text message, and the answer to it. */
  readonly heartbeat?: { readonly text: string; readonly answer?: string };
}

const HEARTBEAT = { text: '{"heartbeat":30}' } as const;

const protocols = {
  /** PROTOCOL.md, without a subprotocol. */
  plain: {
    path: "/wss",
    channelPath: "/wss/CHANNEL",
    greetings: [{ begins: '{"connection":"ok"}' }],
    publish: "MESSAGE",
    delivery: '{"message":MESSAGE}',
  },
  /** PROTOCOL.md. Each publish has an id, so that it is stored once and acknowledged. */
  "channels.v1": {
    path: "/wss",
    subprotocol: "channels.v1",
    greetings: [{ begins: '{"connection":"ok",' }],
    subscribe: {
      atEnd: '{"subscribe":"CHANNEL"}',
      at: '{"subscribe":"CHANNEL","epoch":"EPOCH","offset":OFFSET}',
      answerBegins: '{"subscribed":',
    },
    publish: '{"publish":MESSAGE,"channel":"CHANNEL","id":"ID"}',
    delivery: '{"channel":"CHANNEL","offset":OFFSET,"message":MESSAGE}',
    acknowledgement: '{"ack":"ID","channel":"CHANNEL","epoch":"EPOCH","offset":OFFSET}',
    heartbeat: HEARTBEAT,
  },
  /** Only for `--base`: the dialect that channels.v1 has replaced. */
  "resume.v1": {
    path: "/wss",
    channelPath: "/wss/CHANNEL",
    subprotocol: "resume.v1",
    greetings: [{ begins: '{"connection":"ok",' }],
    resumeQuery: "?epoch=EPOCH&offset=OFFSET",
    publish: '{"publish":MESSAGE,"id":"ID"}',
    delivery: '{"message":MESSAGE,"offset":OFFSET}',
    acknowledgement: '{"ack":"ID","epoch":"EPOCH","offset":OFFSET}',
    heartbeat: HEARTBEAT,
  },
  /** Engine.IO 4 and Socket.IO 5 by WebSocket alone: https://socket.io/docs/v4/socket-io-protocol/. */
  "socket.io": {
    path: "/socket.io/?EIO=4&transport=websocket",
    greetings: [{ begins: "0", answer: "40" }, { begins: "40" }],
    publish: '42["message",MESSAGE]',
    delivery: '42["message",{"message":MESSAGE}]',
    heartbeat: { text: "2", answer: "3" },
  },
} as const satisfies Readonly<Record<string, Protocol>>;

export type ProtocolName = keyof typeof protocols;

export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = protocols;

/** Replaces the given placeholders. */
export function fill(layout: string, values: Readonly<Partial<Record<Placeholder, string>>>): string {
  // The pattern matches only placeholders.
  return layout.replaceAll(PLACEHOLDERS, (name) => values[name as Placeholder] ?? name);
}

/** Returns path and query of a handshake. */
export function addressOf(protocol: Protocol, channel: string, from?: Position): string {
  const path = channel === DEFAULT_CHANNEL ? protocol.path : (protocol.channelPath ?? protocol.path);
  const query = from === undefined ? "" : (protocol.resumeQuery ?? "");
  return fill(path + query, { CHANNEL: channel, ...(from !== undefined && positionValues(from, true)) });
}

/** Returns the message that subscribes to a channel; `undefined` if the address does. */
export function subscriptionOf(
  { subscribe }: Protocol,
  channel: string,
  from?: Position,
): string | undefined {
  if (subscribe === undefined) return undefined;
  return from === undefined
    ? fill(subscribe.atEnd, { CHANNEL: channel })
    : fill(subscribe.at, { CHANNEL: channel, ...positionValues(from, false) });
}

function positionValues({ epoch, offset }: Position, isQuery: boolean): Partial<Record<Placeholder, string>> {
  return { EPOCH: isQuery ? encodeURIComponent(epoch) : epoch, OFFSET: String(offset) };
}
