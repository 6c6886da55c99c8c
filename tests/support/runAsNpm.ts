/** Runs a command as npm runs a script: in a shell that waits for it and outlives it. */
import { spawn } from "node:child_process";

const [command = ""] = process.argv.slice(2);
spawn("/bin/sh", ["-c", `${command}; exit $?`], {
  stdio: "inherit",
  env: { ...process.env, npm_lifecycle_event: "start" },
});
