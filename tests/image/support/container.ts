/** Runs an image's commands as a container does: with its user, only its environment, in its working directory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { BuiltImage } from "./build.ts";

/** Folder of Node in the base image. */
const BIN = "usr/local/bin";

const USER = /^(?<uid>\d+):(?<gid>\d+)$/;

const WRITE_BITS = 0o222;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ContainerProcess {
  /** Resolves with the first line on standard output for which `wanted` holds. Rejects with all output at the end. */
  line(wanted: (line: string) => boolean): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

export class Container {
  readonly #image: BuiltImage;
  readonly #running = new Set<ContainerProcess>();

  /** Copies Node into the image and removes all write permissions there. */
  constructor(image: BuiltImage) {
    this.#image = image;
    const bin = path.join(image.root, BIN);
    mkdirSync(bin, { recursive: true });
    cpSync(process.execPath, path.join(bin, "node"));
    eachPath(image.root, (file) => {
      chmodSync(file, statSync(file).mode & ~WRITE_BITS);
    });
  }

  /** Whether commands run as the image's user, which needs root; if not, they run as the current user. */
  get hasOwnUser(): boolean {
    return process.getuid?.() === 0;
  }

  /** Runs a command with the image's environment, overridden by `environment`. */
  start(command: readonly string[], environment: Readonly<Record<string, string>> = {}): ContainerProcess {
    const { root, workingDirectory, user, environment: own } = this.#image;
    const ids = USER.exec(user)?.groups;
    if (ids === undefined) throw new Error(`USER: got ${user}; expected UID:GID in numbers.`);
    const [program = "", ...args] = command;
    const bin = path.join(root, BIN);
    const child = spawn(program === "node" ? path.join(bin, "node") : program, args, {
      cwd: path.join(root, workingDirectory),
      env: { PATH: [bin, "/usr/bin", "/bin"].join(path.delimiter), ...own, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      ...(this.hasOwnUser && { uid: Number(ids["uid"]), gid: Number(ids["gid"]) }),
    });

    const lines: string[] = [];
    const reader = createInterface(child.stdout).on("line", (line) => lines.push(line));
    const stderr = text(child.stderr);
    const ended = once(child, "close").then(async ([code]: unknown[]): Promise<Ended> => {
      this.#running.delete(running);
      return {
        code: typeof code === "number" ? code : null,
        stdout: lines.join("\n"),
        stderr: await stderr,
      };
    });
    const running: ContainerProcess = {
      async line(wanted) {
        for (;;) {
          const found = lines.find(wanted);
          if (found !== undefined) return found;
          const end = await Promise.race([once(reader, "line"), ended]);
          if ("code" in end)
            throw new Error(`The process ended with ${String(end.code)}: ${end.stdout}${end.stderr}`);
        }
      },
      kill(signal) {
        child.kill(signal);
      },
      ended,
    };
    this.#running.add(running);
    return running;
  }

  async close(): Promise<void> {
    const running = [...this.#running];
    for (const each of running) each.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
    // Without write permission, only root can remove the folder.
    eachPath(this.#image.root, (file) => {
      chmodSync(file, statSync(file).mode | (WRITE_BITS & 0o200));
    });
  }
}

function eachPath(folder: string, act: (file: string) => void): void {
  act(folder);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    act(path.join(entry.parentPath, entry.name));
  }
}
