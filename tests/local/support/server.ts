/**
 * A server for tests with the behavior that the local stack requires: it listens at HOST and PORT, has the command `health`, and at
 * SIGTERM closes its clients with 1001 and exits. The variable MODE disables one of these.
 */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const { HOST, PORT, MODE, GREETING } = process.env;

if (process.argv[2] === "health") {
  const response = await fetch(`http://${HOST ?? ""}:${PORT ?? ""}/health`);
  process.exit(response.ok ? 0 : 1);
}
// A health check that never ends.
if (process.argv[2] === "hang") await new Promise(() => setInterval(() => undefined, 1000));
if (MODE === "crash") {
  console.error("cannot start");
  process.exit(3);
}

const FLOOD = Buffer.alloc(64 * 1024);
/** If no "drain" is emitted for this time, every buffer up to the client is full. */
const STALLED_MS = 200;

let isHealthy = true;
const http = createServer((request, response) => {
  const { url } = request;
  if (url === "/sicken") isHealthy = false;
  if (url === "/hang") return;
  if (url === "/cut") {
    request.socket.destroy();
    return;
  }
  if (url === "/alive" && !isHealthy) {
    response.writeHead(500).end();
    return;
  }
  if (url === "/flood") {
    const stalled = setTimeout(() => {
      console.log("stalled");
    }, STALLED_MS);
    const flood = (): void => {
      stalled.refresh();
      while (response.write(FLOOD));
    };
    response.on("drain", flood);
    flood();
    return;
  }
  if (url === "/echo") {
    request.pipe(response);
    return;
  }
  response.setHeader("X-Hop", "kept");
  response.setHeader("Keep-Alive", "timeout=3");
  response.end(JSON.stringify({ pid: process.pid, url, headers: request.headers, greeting: GREETING }));
});
const sockets = new WebSocketServer({ server: http, path: "/chat" });
sockets.on("connection", (socket) => {
  socket.send(String(process.pid));
  socket.on("message", (data, isBinary) => {
    socket.send(data, { binary: isBinary });
  });
});

process.on("SIGTERM", () => {
  if (MODE === "stubborn") return;
  for (const socket of sockets.clients) socket.close(1001);
  http.close();
  http.closeAllConnections();
  sockets.close();
  setTimeout(() => process.exit(0), 300).unref();
});

// Like the real server, it has a port for metrics, and logs some.
createServer().listen(Number(process.env["WEBSOCKET_METRICS_PORT"]), HOST).unref();
const METRICS = {
  Namespace: "Fixture",
  Dimensions: [["ServiceName"]],
  Metrics: [{ Name: "Connections" }],
};
console.log(
  JSON.stringify({
    _aws: { Timestamp: 0, CloudWatchMetrics: [METRICS] },
    ServiceName: "fixture",
    Connections: 3,
  }),
);
console.log("read on");

if (MODE === "mute") setInterval(() => undefined, 1000);
else http.listen(Number(PORT), HOST);
