/**
 * Loaded into a task's process ahead of the server, which knows nothing of it: what a container's runtime does for a
 * container. It tells the local stack on which port the server listens. When the local stack is gone, however it
 * went, the task is told to stop, and killed after its stop timeout (`?stopTimeoutMs=` in this module's URL).
 */
import { subscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

const stopTimeoutMs = Number(new URL(import.meta.url).searchParams.get("stopTimeoutMs"));

// Node's own account of every server that listens: it depends neither on what the server logs nor on how it is built.
subscribe("tracing:net.server.listen:asyncEnd", (message) => {
  if (typeof message !== "object" || message === null || !("server" in message)) return;
  const { server } = message;
  // A task has other servers too, as for its metrics. The one that clients come to is the one that takes WebSockets.
  if (!(server instanceof Server) || server.listenerCount("upgrade") === 0) return;
  const address = server.address();
  if (address === null || typeof address === "string") return;
  // A parent that is gone already shows in "disconnect"; nobody needs this error.
  process.send?.({ port: address.port }, undefined, undefined, () => undefined);
});

process.once("disconnect", () => {
  // The server may be stopping already; a second SIGTERM must not hurry it.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), stopTimeoutMs).unref();
  process.kill(process.pid, "SIGTERM");
});
// The listener would keep the process alive after the server is done.
process.channel?.unref();
