/** A copy of the files that `npm start` reads, which a test may change. The packages are those of the repository. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

const COPIED = [
  ...["app", "cli", "client", "console", "infra", "local"],
  ...[
    ".dockerignore",
    "index.ts",
    "package.json",
    "package-lock.json",
    "Pulumi.yaml",
    "Pulumi.README.md",
    "Pulumi.dev.yaml",
  ],
];
const WRITTEN_BY_TOOLS = new Set(["node_modules", "dist"]);

export interface RepositoryCopy extends Disposable {
  readonly root: string;
  /** Replaces a text of a file. @throws {Error} if the file does not contain it. */
  edit(file: string, from: string, to: string): void;
}

export function copyRepository(): RepositoryCopy {
  const root = mkdtempSync(path.join(tmpdir(), "repository-"));
  for (const entry of COPIED) {
    cpSync(path.join(ROOT, entry), path.join(root, entry), {
      recursive: true,
      filter: (source) => !WRITTEN_BY_TOOLS.has(path.basename(source)),
    });
  }
  symlinkSync(path.join(ROOT, "node_modules"), path.join(root, "node_modules"));
  return {
    root,
    edit(file, from, to) {
      const text = readFileSync(path.join(root, file), "utf8");
      if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
      writeFileSync(
        path.join(root, file),
        text.replace(from, () => to),
      );
    },
    [Symbol.dispose]() {
      rmSync(root, { recursive: true, force: true });
    },
  };
}
