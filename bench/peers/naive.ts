/**
 * The base of all ratios: `ws` and `express` as most examples use them. It parses every message once, and stringifies and
 * sends it for each client. With VALKEY_URL, several tasks share the messages by PUBLISH and SUBSCRIBE.
 */
import { createServer } from "node:http";

import express from "express";
import { Redis } from "iovalkey";
import { WebSocket, WebSocketServer } from "ws";

const CHANNEL = "messages";

const { PORT = "8080", HOST = "127.0.0.1", VALKEY_URL } = process.env;

const app = express();
app.get("/", (_, response) => void response.send("Ok"));
const server = createServer(app);
const sockets = new WebSocketServer({ server, path: "/wss", perMessageDeflate: false });

function broadcast(text: string): void {
  const message: unknown = JSON.parse(text);
  for (const client of sockets.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(JSON.stringify({ message }));
  }
}

const publish = VALKEY_URL === undefined ? broadcast : await shareThrough(VALKEY_URL);

sockets.on("connection", (socket) => {
  // Without a listener, a reset connection would end the process.
  socket.on("error", () => undefined);
  socket.on("message", (data: Buffer) => {
    publish(data.toString());
  });
  socket.send(JSON.stringify({ connection: "ok" }));
});

server.listen(Number(PORT), HOST);

async function shareThrough(url: string): Promise<(text: string) => void> {
  const publisher = new Redis(url);
  const subscriber = new Redis(url);
  subscriber.on("message", (_, text) => {
    broadcast(text);
  });
  await subscriber.subscribe(CHANNEL);
  return (text) => void publisher.publish(CHANNEL, text);
}
