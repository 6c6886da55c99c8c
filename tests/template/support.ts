/** The repository as a `pulumi new` template, and the projects that the Pulumi CLI creates from it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { cliPath } from "../engine/support/cli.ts";
import { Project } from "../engine/support/project.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Entries of the working folder that a clone lacks. */
const NOT_CLONED = new Set([".git", "node_modules", "dist", ".pulumi"]);

export class Template {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "pulumi-template-"));
  /** Its backend and providers are used here. */
  readonly #project = new Project();

  constructor() {
    cpSync(ROOT, path.join(this.#folder, "template"), {
      recursive: true,
      filter: (source) => !NOT_CLONED.has(path.basename(source)),
    });
  }

  /** Creates a project that can be previewed. Returns its folder. */
  async create(name: string, ...args: readonly string[]): Promise<string> {
    const folder = path.join(this.#folder, name);
    const template = path.join(this.#folder, "template");
    await this.pulumi(this.#folder, "new", template, "--dir", folder, "--name", name, "--yes", ...args);
    symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
    return folder;
  }

  /**
   * Runs the CLI in a folder.
   * @returns its standard output.
   * @throws {Error} with its output, if it fails.
   */
  async pulumi(folder: string, ...args: readonly string[]): Promise<string> {
    const cli = spawn(cliPath(), [...args, "--non-interactive", "--color", "never"], {
      cwd: folder,
      env: this.#project.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(cli.stdout),
      text(cli.stderr),
      once(cli, "exit") as Promise<[number | null]>,
    ]);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")}: ${String(code)}\n${stdout}${stderr}`);
    return stdout;
  }

  close(): void {
    this.#project.close();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
