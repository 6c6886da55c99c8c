/**
 * Node loads this module into the process of a task before the server, which does not depend on it. It does the work of a container
 * runtime. It reports the server's port to the local stack. When the local stack has ended, even by SIGKILL, it stops the task with
 * SIGTERM, and with SIGKILL after the stop timeout (`?stopTimeoutMs=` in this module's URL).
 */
import { subscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

const stopTimeoutMs = Number(new URL(import.meta.url).searchParams.get("stopTimeoutMs"));

// Node reports every server that listens here, whatever the server logs.
subscribe("tracing:net.server.listen:asyncEnd", (message) => {
  if (typeof message !== "object" || message === null || !("server" in message)) return;
  const { server } = message;
  // A task has other servers, such as that of its metrics. Only the server for clients accepts WebSockets.
  if (!(server instanceof Server) || server.listenerCount("upgrade") === 0) return;
  const address = server.address();
  if (address === null || typeof address === "string") return;
  // If the parent has ended, "disconnect" is emitted, too; this error adds nothing.
  process.send?.({ port: address.port }, undefined, undefined, () => undefined);
});

process.once("disconnect", () => {
  // If the server is stopping already, the second SIGTERM has no effect.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), stopTimeoutMs).unref();
  process.kill(process.pid, "SIGTERM");
});
// Otherwise the channel would keep the process running after the server has stopped.
process.channel?.unref();
