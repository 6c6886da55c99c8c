/**
 * A project for the Pulumi CLI with stand-in providers: a temporary copy of the repository, or another program, with its own
 * configuration, state and stand-in for AWS. It uses no network.
 */
import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
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
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { parse, stringify } from "yaml";
import { cliPath } from "./cli.ts";
import { Cloud } from "./cloud.ts";
import { RANDOM_SEED } from "./providers/conventions.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const STAND_INS = ["aws", "awsx", "docker-build", "random"] as const;
const PROVIDER_MAIN = join(import.meta.dirname, "providers", "main.ts");

/** Passphrase of the states of tests. */
const PASSPHRASE = "stand-in passphrase";

/** Exit code and output of a run of the CLI. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A value in a stack file. */
export type ConfigValue = string | readonly string[];

export interface ProjectOptions {
  /** With a seed, random values and IDs are equal in each run. @default new values each time */
  readonly randomSeed?: string;
}

export class Project {
  readonly cloud: Cloud;
  /** Environment variables for a program that runs Pulumi with the state, secrets and providers of the test. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #root: string;
  #providers: Promise<Providers> | undefined;
  readonly #commands = new Set<ChildProcess>();
  /** Closes the project if the process exits before the test does. */
  readonly #atExit = (): void => {
    this.close();
  };
  #transcript = "";

  /** @param fill writes the files of the project into an empty folder. @default a copy of the repository */
  constructor(fill: (folder: string) => void = imitateRepository, { randomSeed }: ProjectOptions = {}) {
    this.#root = mkdtempSync(join(tmpdir(), "pulumi-engine-"));
    process.once("exit", this.#atExit);
    const cloud = this.#folder("cloud");
    const bin = this.#folder("bin");
    const home = this.#folder("home");

    fill(this.#folder("project"));
    writeExecutable(join(bin, "pulumi-language-nodejs"), [join(import.meta.dirname, "languageHost.ts")]);
    for (const name of STAND_INS) {
      writeExecutable(join(bin, `pulumi-resource-${name}`), [PROVIDER_MAIN, name, cloud]);
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
      NODE_COMPILE_CACHE: compileCache(),
      ...(randomSeed !== undefined && { [RANDOM_SEED]: randomSeed }),
    };
  }

  /** {@link environment} with providers that run between commands, because their start takes most of the time. */
  async #attached(): Promise<Readonly<Record<string, string>>> {
    this.#providers ??= startProviders(this.#inside("cloud"), this.environment);
    const { debugProviders } = await this.#providers;
    return { ...this.environment, PULUMI_DEBUG_PROVIDERS: debugProviders };
  }

  /** Path of the project. */
  get folder(): string {
    return this.#inside("project");
  }

  /** All output of the CLI. */
  get transcript(): string {
    return this.#transcript;
  }

  /** Returns all files that Pulumi has written: states, backups, history, logs, configuration. */
  written(): string {
    const folders = [this.#inside("state"), this.#inside("home")];
    const files = folders.flatMap((folder) => filesIn(folder, { recursive: true }));
    return [...files, ...filesIn(this.#inside("project"), { recursive: false })].join("\n");
  }

  /** Runs the CLI in the project and returns its exit code and output. */
  async run(...args: readonly string[]): Promise<Run> {
    return this.#end(await this.#start(args));
  }

  /** Runs the CLI and sends SIGINT when its output matches. */
  async interruptedRun(when: RegExp, ...args: readonly string[]): Promise<Run> {
    const cli = await this.#start(args);
    const ended = this.#end(cli);
    let printed = "";
    let pressed = false;
    cli.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (pressed || !when.test(printed)) return;
      pressed = true;
      cli.kill("SIGINT");
    });
    return ended;
  }

  async #start(args: readonly string[]): Promise<ChildProcessByStdio<null, Readable, Readable>> {
    const cli = spawn(cliPath(), [...args, "--non-interactive", "--color", "never"], {
      cwd: this.folder,
      env: await this.#attached(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#commands.add(cli);
    cli.once("exit", () => this.#commands.delete(cli));
    return cli;
  }

  async #end(cli: ChildProcessByStdio<null, Readable, Readable>): Promise<Run> {
    const [stdout, stderr, [code]] = await Promise.all([
      text(cli.stdout),
      text(cli.stderr),
      once(cli, "exit") as Promise<[number | null]>,
    ]);
    this.#transcript += stdout + stderr;
    return { code, stdout, stderr };
  }

  /** Writes values of the project's namespace into a stack file. */
  configure(stack: string, values: Readonly<Record<string, ConfigValue>>): void {
    const file = join(this.folder, `Pulumi.${stack}.yaml`);
    // Stack files of this repository have a mapping under `config`.
    const { config, ...rest } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    // The CLI writes keys with the namespace. The files of the repository have keys without it.
    const others = Object.entries(config).filter(([key]) => !(key.replace(/^websocket:/, "") in values));
    const own = Object.entries(values).map(([key, value]) => [`websocket:${key}`, value]);
    writeFileSync(file, stringify({ ...rest, config: Object.fromEntries([...others, ...own]) as unknown }));
  }

  /**
   * Runs the CLI in the project.
   * @returns its standard output.
   * @throws {Error} with its output, if it fails.
   */
  async pulumi(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0)
      throw new Error(`pulumi ${args.join(" ")}: exit code ${String(code)}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Stops all processes and deletes the folder. Idempotent. */
  close(): void {
    process.removeListener("exit", this.#atExit);
    for (const cli of this.#commands) cli.kill("SIGKILL");
    void this.#providers?.then(({ stop }) => {
      stop();
    });
    // A killed process may still have been writing.
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 3 });
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

let compiled: string | undefined;

/** Compile cache of Node.js for the programs that each command starts, deleted when this process ends. */
function compileCache(): string {
  if (compiled === undefined) {
    const folder = mkdtempSync(join(tmpdir(), "pulumi-engine-compiled-"));
    process.once("exit", () => {
      // An ended process may still be writing.
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    });
    compiled = folder;
  }
  return compiled;
}

interface Providers {
  /** Value of PULUMI_DEBUG_PROVIDERS: `NAME:PORT,…`. */
  readonly debugProviders: string;
  readonly stop: () => void;
}

/** Starts two processes: one for the components of awsx and one for all providers of custom resources. */
async function startProviders(cloud: string, env: NodeJS.ProcessEnv): Promise<Providers> {
  const start = async (name: (typeof STAND_INS)[number]): Promise<{ port: string; stop: () => void }> => {
    const provider = spawn(process.execPath, [PROVIDER_MAIN, name, cloud], {
      env,
      // The process ends when its standard input closes, so at the latest with this process.
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [port] = (await once(provider.stdout, "data")) as [Buffer];
    return { port: port.toString().trim(), stop: () => provider.kill() };
  };
  const [components, custom] = await Promise.all([start("awsx"), start("aws")]);
  return {
    debugProviders: STAND_INS.map((name) => `${name}:${(name === "awsx" ? components : custom).port}`).join(
      ",",
    ),
    stop: () => {
      components.stop();
      custom.stop();
    },
  };
}

/** Copies the files of the program and the image, which a test can change. */
const COPIED =
  /^(Pulumi.*\.(?:yaml|md)|package.*\.json|index\.ts|infra|policy|cli|app|client|console|docs|\.dockerignore)$/;

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

/** Returns the content of the regular files in a folder, without links to the repository. */
function filesIn(folder: string, { recursive }: { readonly recursive: boolean }): string[] {
  return readdirSync(folder, { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}
