/**
 * Loaded into a task's process ahead of the server, which knows nothing of it: what a container's runtime does for a
 * container. When the local stack is gone, however it went, the task is told to stop, and killed after its stop
 * timeout (`?stopTimeoutMs=` in this module's URL).
 */
const stopTimeoutMs = Number(new URL(import.meta.url).searchParams.get("stopTimeoutMs"));

process.once("disconnect", () => {
  // The server may be stopping already; a second SIGTERM must not hurry it.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), stopTimeoutMs).unref();
  process.kill(process.pid, "SIGTERM");
});
// The listener would keep the process alive after the server is done.
process.channel?.unref();
