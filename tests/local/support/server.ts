/**
 * A server for tests that keeps the real one's promises to the local stack: it says where it listens, answers
 * `health`, and goes away at SIGTERM with 1001 for its clients. MODE in its environment breaks one of them.
 */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const { HOST, PORT, MODE, GREETING } = process.env;

if (process.argv[2] === "health") {
  const response = await fetch(`http://${HOST ?? ""}:${PORT ?? ""}/health`);
  process.exit(response.ok ? 0 : 1);
}
if (MODE === "crash") {
  console.error("cannot go on");
  process.exit(3);
}

let sick = false;
const http = createServer((request, response) => {
  const { url } = request;
  if (url === "/sicken") sick = true;
  if (url === "/hang") return;
  if (url === "/cut") {
    request.socket.destroy();
    return;
  }
  if (url === "/alive" && sick) {
    response.writeHead(500).end();
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

http.listen(Number(PORT), HOST, () => {
  const address = http.address();
  const port = typeof address === "object" ? address?.port : undefined;
  console.log(JSON.stringify({ level: 30, msg: "listening", port }));
});
