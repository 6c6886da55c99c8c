/** A chat with Socket.IO on one port: WebSocket, HTTP long polling, and the page. */
import { createServer } from "node:http";
import { hostname } from "node:os";
import path from "node:path";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import express from "express";
import { Server } from "socket.io";
import { type ClientEvents, type ServerEvents, toMessage } from "./events.ts";
import { connectToValkey } from "./valkey.ts";

const { PORT = "3000" } = process.env;

/** Less than every idle timeout on the way: 120 s at the load balancer (`idleTimeoutSeconds`), and 10 minutes at CloudFront. */
const PING_MS = 25_000;
/** More than the load balancer's idle timeout. Otherwise, it sends requests on connections that Node is closing. */
const KEEP_ALIVE_MS = 130_000;
/** For this long, a client that has lost its connection can recover the messages that it has missed. */
const RECOVERY_MS = 120_000;
const MAX_MESSAGE_BYTES = 64 * 1024;

const task = `${hostname()}/${process.pid}`;
const valkey = connectToValkey();

const app = express();
app.get("/health", (_, response) => {
  response.send("ok");
});
app.use(express.static(path.join(import.meta.dirname, "public")));

const httpServer = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
const io = new Server<ClientEvents, ServerEvents>(httpServer, {
  pingInterval: PING_MS,
  maxHttpBufferSize: MAX_MESSAGE_BYTES,
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
  // All tasks read the messages of all tasks. Without the adapter, each task has only its own.
  ...(valkey !== undefined && { adapter: createAdapter(valkey) }),
});

io.on("connection", (socket) => {
  socket.emit("connected", task);
  socket.on("message", (value, acknowledge) => {
    const message = toMessage(value, task);
    if (message !== undefined) io.emit("message", message);
    if (typeof acknowledge === "function") acknowledge(message !== undefined);
  });
});
httpServer.listen(Number(PORT));

// The load balancer sends no new connections when ECS sends SIGTERM. The clients recover their state on another task.
process.once("SIGTERM", async () => {
  await io.close();
  await valkey?.quit();
});
