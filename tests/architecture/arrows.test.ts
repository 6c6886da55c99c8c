import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** The words in the tables of docs/architecture.md for what a folder may import besides itself. */
const WORDS: Readonly<Record<string, (file: string) => boolean>> = {
  nothing: () => false,
  everything: () => true,
  // The server is started as a process.
  "the settings": (file) => file.startsWith("app/src/settings/"),
};

const ROW = /^\| `(?<folder>[^`]+?)\/?` .*\| (?<cell>[^|]+?) +\|$/gm;

/** Static imports, re-exports and dynamic imports of a text; a dynamic one of a value that is no literal is none. */
const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)"(?<target>[^"]+)"/g;

describe("the architecture", () => {
  const rows = rowsOf("Folders");

  for (const [folder, cell] of rows) {
    it(`lets ${folder} import ${cell}`, () => {
      const files = folder.includes(".") ? [folder] : sourcesIn(folder);
      assert.ok(files.length > 0);
      const imports = files.flatMap((file) =>
        importsOf(file)
          .filter((target) => !target.startsWith(`${folder}/`))
          .map((target) => ({ file, target })),
      );
      const words = cell.split(", ");
      for (const { file, target } of imports) {
        assert.ok(
          words.some((word) => means(word, target)),
          `${file} imports ${target}`,
        );
      }
      for (const word of words) {
        const used = word === "nothing" || imports.some(({ target }) => means(word, target));
        assert.ok(used, `${folder} imports nothing of ${word}`);
      }
    });
  }

  it("has a row for every folder of code", () => {
    const folders = new Set(sourcesIn("*").map((file) => file.split(path.sep)[0] ?? ""));
    assert.deepEqual([...folders].sort(), [...rows.keys()].filter((folder) => !/[./]/.test(folder)).sort());
  });

  it("keeps Pulumi out of the server", () => {
    for (const file of globSync("app/{src,build.ts}/**/*.ts", { cwd: ROOT })) {
      assert.doesNotMatch(readFileSync(path.join(ROOT, file), "utf8"), /"@pulumi\//, file);
    }
  });
});

/** Returns what each folder or file may import, from the table of a section. */
function rowsOf(heading: string): ReadonlyMap<string, string> {
  const page = readFileSync(path.join(ROOT, "docs/architecture.md"), "utf8");
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return new Map(
    [...section.matchAll(ROW)].map(({ groups }) => [groups?.["folder"] ?? "", groups?.["cell"] ?? ""]),
  );
}

/** Whether a word of the table, one of {@link WORDS} or a name in backticks, means a file. */
function means(word: string, file: string): boolean {
  const [, name] = /^`(.+)`$/.exec(word) ?? [];
  if (name !== undefined) return file === name || file.startsWith(`${name}/`);
  return WORDS[word]?.(file) ?? assert.fail(`"${word}" is no word of the table`);
}

function sourcesIn(folder: string): readonly string[] {
  return globSync(`${folder}/**/*.{ts,js,py}`, {
    cwd: ROOT,
    exclude: ["**/node_modules", "**/dist"],
  });
}

/** The files of the repository that a file imports, relative to its root. */
function importsOf(file: string): readonly string[] {
  return [...readFileSync(path.join(ROOT, file), "utf8").matchAll(IMPORT)]
    .map(({ groups }) => groups?.["target"] ?? "")
    .filter((target) => target.startsWith("."))
    .map((target) => path.posix.join(path.posix.dirname(file), target));
}
