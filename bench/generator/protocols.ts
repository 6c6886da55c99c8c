/** What the servers under test speak on top of WebSocket frames: one broadcast job in different words. */

export type ProtocolName = "plain" | "resume.v1" | "socket.io";

export interface Protocol {
  /** Path and query of the handshake. */
  readonly path: string;
  /** Offered, and expected to be selected. */
  readonly subprotocol?: string;
  /** What the server says before a client is ready, in order: how each text begins, and the answer to it. */
  readonly greetings: readonly { readonly begins: string; readonly answer?: string }[];
  /** What stands around the value that a client publishes. */
  readonly publish: readonly [before: string, after: string];
  /** What stands around the same value where it is delivered. */
  readonly delivery: readonly [before: string, after: string];
  /** A heartbeat in text, and the answer to it. */
  readonly heartbeat?: { readonly text: string; readonly answer: string };
}

export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = {
  /** PROTOCOL.md, without a subprotocol. */
  plain: {
    path: "/wss",
    greetings: [{ begins: '{"connection":"ok"}' }],
    publish: ["", ""],
    delivery: ['{"message":', "}"],
  },
  /** PROTOCOL.md; a delivery ends with its offset, which differs from one message to the next. */
  "resume.v1": {
    path: "/wss",
    subprotocol: "resume.v1",
    greetings: [{ begins: '{"connection":"ok",' }],
    publish: ['{"publish":', "}"],
    delivery: ['{"message":', ',"offset":'],
  },
  /** Engine.IO 4 and Socket.IO 5 by WebSocket alone: https://socket.io/docs/v4/socket-io-protocol/. */
  "socket.io": {
    path: "/socket.io/?EIO=4&transport=websocket",
    greetings: [{ begins: "0", answer: "40" }, { begins: "40" }],
    publish: ['42["message",', "]"],
    delivery: ['42["message",{"message":', "}]"],
    heartbeat: { text: "2", answer: "3" },
  },
};
