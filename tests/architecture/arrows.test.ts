import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** The server's settings contract, which other folders may read. Everything else of `app/` is started, not imported. */
const SETTINGS = /^app\/src\/(settings|definition|nearest)\.ts$/;

/** What each folder may import besides itself: the arrows of docs/architecture.md. */
const ALLOWED: Readonly<Record<string, readonly (RegExp | string)[]>> = {
  "index.ts": ["infra/"],
  app: [],
  bench: ["cli/", SETTINGS, "local/valkeyServer.ts"],
  cli: [SETTINGS],
  client: [],
  // The client comes from the server, under this name.
  console: ["console/client.js"],
  infra: [SETTINGS],
  deploy: ["cli/", "infra/", SETTINGS],
  local: ["cli/", "infra/", SETTINGS],
  "load-test": ["cli/", SETTINGS],
  policy: ["infra/", SETTINGS],
};

/** Static imports, re-exports and dynamic imports of a text; a dynamic one of a value that is no literal is none. */
const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)"(?<target>[^"]+)"/g;

describe("the architecture", () => {
  for (const [room, allowed] of Object.entries(ALLOWED)) {
    it(`lets ${room} import ${allowed.length === 0 ? "nothing of the other folders" : allowed.join(" and ")}`, () => {
      const files = room.includes(".") ? [room] : globSync(`${room}/**/*.{ts,js}`, { cwd: ROOT });
      const sources = files.filter((file) => !/\/(node_modules|dist)\//.test(file));
      assert.ok(sources.length > 0);
      for (const file of sources) {
        for (const target of importsOf(file)) {
          const permitted = allowed.some((arrow) =>
            typeof arrow === "string" ? target.startsWith(arrow) : arrow.test(target),
          );
          assert.ok(target.startsWith(`${room}/`) || permitted, `${file} imports ${target}`);
        }
      }
    });
  }

  it("keeps Pulumi out of the server", () => {
    for (const file of globSync("app/{src,build.ts}/**/*.ts", { cwd: ROOT })) {
      assert.doesNotMatch(readFileSync(path.join(ROOT, file), "utf8"), /"@pulumi\//, file);
    }
  });
});

/** The files of the repository that a file imports, relative to its root. */
function importsOf(file: string): readonly string[] {
  return [...readFileSync(path.join(ROOT, file), "utf8").matchAll(IMPORT)]
    .map(({ groups }) => groups?.["target"] ?? "")
    .filter((target) => target.startsWith("."))
    .map((target) => path.posix.join(path.posix.dirname(file), target));
}
