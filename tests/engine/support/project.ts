/**
 * The project as the real Pulumi CLI sees it, with stand-ins for the providers: a temporary folder that looks like the
 * repository and has a configuration, a state and a cloud of its own. Nothing leaves the machine.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { cliPath } from "./cli.ts";
import { Cloud } from "./cloud.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const STAND_INS = ["aws", "awsx", "docker-build", "random"] as const;

/** Enough for the states of tests; real stacks have one of their own. */
const PASSPHRASE = "stand-in passphrase";

/** How a run of the CLI ended, and what it printed. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Project {
  readonly cloud: Cloud;
  /** What a program that runs Pulumi here needs: state, secrets and providers of the test's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #root: string;
  #transcript = "";

  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), "pulumi-engine-"));
    const cloud = this.#folder("cloud");
    const bin = this.#folder("bin");
    const home = this.#folder("home");

    imitateRepository(this.#folder("project"));
    writeExecutable(join(bin, "pulumi-language-nodejs"), [join(import.meta.dirname, "languageHost.ts")]);
    for (const name of STAND_INS) {
      const main = join(import.meta.dirname, "providers", "main.ts");
      writeExecutable(join(bin, `pulumi-resource-${name}`), [main, name, cloud]);
    }

    this.cloud = new Cloud(cloud);
    this.environment = {
      PATH: [bin, process.env["PATH"]].join(delimiter),
      HOME: home,
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${this.#folder("state")}`,
      PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      // Every command starts the same processes anew.
      NODE_COMPILE_CACHE: this.#folder("compile-cache"),
    };
  }

  /** The folder that looks like the repository. */
  get folder(): string {
    return this.#inside("project");
  }

  /** Everything that the CLI has printed. */
  get transcript(): string {
    return this.#transcript;
  }

  /** Everything that Pulumi has written to disk: states, backups, history, logs, configuration. */
  written(): string {
    const folders = [this.#inside("state"), this.#inside("home")];
    const files = folders.flatMap((folder) => filesIn(folder, { recursive: true }));
    return [...files, ...filesIn(this.#inside("project"), { recursive: false })].join("\n");
  }

  /** Runs the CLI in the project and waits for it, however it ends. */
  async run(...args: readonly string[]): Promise<Run> {
    const cli = spawn(cliPath(), [...args, "--non-interactive", "--color", "never"], {
      cwd: this.folder,
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(cli.stdout),
      text(cli.stderr),
      once(cli, "exit") as Promise<[number | null]>,
    ]);
    this.#transcript += stdout + stderr;
    return { code, stdout, stderr };
  }

  /**
   * Runs the CLI in the project.
   * @returns its standard output.
   * @throws {Error} with all that it printed, where it fails.
   */
  async pulumi(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0)
      throw new Error(`pulumi ${args.join(" ")}: exit code ${String(code)}\n${stdout}${stderr}`);
    return stdout;
  }

  close(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #inside(name: string): string {
    return join(this.#root, name);
  }

  #folder(name: string): string {
    const path = this.#inside(name);
    mkdirSync(path);
    return path;
  }
}

/** What the program and the image are made of; a test may change its own copy. */
const COPIED = /^(Pulumi.*\.yaml|package.*\.json|index\.ts|infra|app|client|console|\.dockerignore)$/;

function imitateRepository(folder: string): void {
  for (const name of readdirSync(ROOT).filter((entry) => COPIED.test(entry))) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

function writeExecutable(path: string, args: readonly string[]): void {
  const command = [process.execPath, ...args].map((arg) => `'${arg}'`).join(" ");
  writeFileSync(path, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
}

/** The content of the regular files in a folder; what links lead to is the repository's own. */
function filesIn(folder: string, { recursive }: { readonly recursive: boolean }): string[] {
  return readdirSync(folder, { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}
