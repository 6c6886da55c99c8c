/**
 * Loaded into a server's process ahead of the server, which knows nothing of it: it tells the benchmark that the
 * server listens on its PORT, and does not outlive the benchmark, however that ends.
 */
import { subscribe } from "node:diagnostics_channel";
import { Server } from "node:net";

const port = Number(process.env["PORT"]);

subscribe("tracing:net.server.listen:asyncEnd", (message) => {
  if (typeof message !== "object" || message === null || !("server" in message)) return;
  const address = message.server instanceof Server ? message.server.address() : null;
  if (address === null || typeof address === "string" || address.port !== port) return;
  // A parent that is gone already shows in "disconnect"; nobody needs this error.
  process.send?.("listening", undefined, undefined, () => undefined);
});

process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
// The listener would keep the process alive after the server is done.
process.channel?.unref();
