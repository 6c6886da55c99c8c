/**
 * Preloaded into a server's process: notifies the benchmark when the server listens on its PORT, and ends the process with the
 * benchmark.
 */
import { subscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

const port = Number(process.env["PORT"]);

subscribe("tracing:net.server.listen:asyncEnd", (message) => {
  if (typeof message !== "object" || message === null || !("server" in message)) return;
  const address = message.server instanceof Server ? message.server.address() : null;
  if (address === null || typeof address === "string" || address.port !== port) return;
  // If the parent has ended, "disconnect" follows; the error is redundant.
  process.send?.("listening", undefined, undefined, () => undefined);
});

process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
// The listener must not keep the process alive after the server has closed.
process.channel?.unref();
