/** The protocols of the measured servers on top of WebSocket frames. All broadcast each message. */

export type ProtocolName = "plain" | "resume.v1" | "socket.io";

export interface Protocol {
  /** Path and query of the handshake. */
  readonly path: string;
  /** The client offers it, and the server must select it. */
  readonly subprotocol?: string;
  /** Messages of the server before a client is ready, in order: the start of each text, and the answer to it. */
  readonly greetings: readonly { readonly begins: string; readonly answer?: string }[];
  /** The text before and after a published value. */
  readonly publish: readonly [before: string, after: string];
  /** The text before and after a delivered value. */
  readonly delivery: readonly [before: string, after: string];
  /** A heartbeat as a text message, and the answer to it. */
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
  /** PROTOCOL.md. A delivery ends with its offset, which differs for each message. */
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
