/**
 * Node loads this module into the process of a task before the server, which does not depend on it. It does the work of a container
 * runtime. It reports the server's ports and the CPU time of the process to the local stack. When the local stack has ended, even by SIGKILL, it stops the task with
 * SIGTERM, and with SIGKILL after the stop timeout (`?stopTimeoutMs=` in this module's URL).
 */
import { subscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

/** Equal to the shortest interval in which a task logs its metrics. */
const CPU_REPORT_MS = 1000;

const stopTimeoutMs = Number(new URL(import.meta.url).searchParams.get("stopTimeoutMs"));

/** If the parent has ended, "disconnect" is emitted, too; an error of `send` adds nothing. */
function report(message: object): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

// Node reports every server that listens here, whatever the server logs.
subscribe("tracing:net.server.listen:asyncEnd", (message) => {
  if (typeof message !== "object" || message === null || !("server" in message)) return;
  const { server } = message;
  if (!(server instanceof Server)) return;
  const address = server.address();
  if (address === null || typeof address === "string") return;
  // Only the server for clients accepts WebSockets. The other one is that of the metrics.
  report(server.listenerCount("upgrade") > 0 ? { port: address.port } : { metricsPort: address.port });
});

setInterval(() => {
  const { user, system } = process.cpuUsage();
  report({ cpuMicroseconds: user + system, atMs: performance.now() });
}, CPU_REPORT_MS).unref();

process.once("disconnect", () => {
  // If the server is stopping already, the second SIGTERM has no effect.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), stopTimeoutMs).unref();
  process.kill(process.pid, "SIGTERM");
});
// Otherwise the channel would keep the process running after the server has stopped.
process.channel?.unref();
