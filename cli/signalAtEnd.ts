import { spawn } from "node:child_process";

/**
 * Sends a signal to a process when this one ends, even by SIGKILL: a shell reads from this process until the pipe closes, and then
 * sends the signal. Without a shell, nothing is sent.
 * @param pid a negative one is that of a process group.
 * @returns a function that releases the process. Call it when the process ends, because another one may get its id.
 */
export function signalAtEnd(pid: number, signal: "CONT" | "KILL" | "TERM"): () => void {
  const shell = spawn("sh", ["-c", 'read -r _; kill -s "$0" -- "$1"', signal, String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    // A process group of its own does not get the terminal's Ctrl-C.
    detached: true,
  });
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  return () => {
    shell.kill("SIGKILL");
  };
}
