/** Whether this process may change the mode of its terminal: the system stops a process in the background that does. */
import { execFileSync } from "node:child_process";

/** @returns `false` if the process has no terminal, or if `ps` is missing. */
export function isInForeground(): boolean {
  if (process.platform === "win32") return true;
  try {
    const options = ["-o", "pgid=", "-o", "tpgid=", "-p", String(process.pid)];
    const [group, foreground] = execFileSync("ps", options, { encoding: "utf8" }).trim().split(/\s+/);
    return group === foreground;
  } catch {
    return false;
  }
}
