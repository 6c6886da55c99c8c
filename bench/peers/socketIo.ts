/**
 * A broadcast server with Socket.IO, by WebSocket alone. With VALKEY_URL, several tasks share the messages by the adapter for
 * Redis streams. PEERS_FOLDER contains its packages, which are not dependencies of this project.
 */
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

/** The used part of Socket.IO, whose types are not installed. */
interface SocketIo {
  readonly Server: new (server: Server, options: object) => Emitter;
}
interface Emitter {
  on(event: "connection", listener: (socket: Socket) => void): void;
  emit(event: string, value: unknown): void;
}
interface Socket {
  on(event: string, listener: (value: unknown) => void): void;
}
interface NodeRedis {
  readonly createClient: (options: { url: string }) => { connect(): Promise<object> };
}
interface StreamsAdapter {
  readonly createAdapter: (client: object) => unknown;
}

const { PORT = "8080", HOST = "127.0.0.1", PEERS_FOLDER = "", VALKEY_URL } = process.env;

const load = createRequire(path.join(PEERS_FOLDER, "package.json"));
// Each is the package of that name.
const { Server: SocketIoServer } = load("socket.io") as SocketIo;

const server = createServer((_, response) => response.end("Ok"));
const io = new SocketIoServer(server, {
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  ...(VALKEY_URL === undefined ? {} : { adapter: await streamsAdapter(VALKEY_URL) }),
});
io.on("connection", (socket) => {
  socket.on("message", (message) => {
    io.emit("message", { message });
  });
});
server.listen(Number(PORT), HOST);

async function streamsAdapter(url: string): Promise<unknown> {
  const { createClient } = load("redis") as NodeRedis;
  const { createAdapter } = load("@socket.io/redis-streams-adapter") as StreamsAdapter;
  const client = createClient({ url });
  await client.connect();
  return createAdapter(client);
}
