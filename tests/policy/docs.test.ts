import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { rules } from "../../policy/rules.ts";

describe("docs/policy.md", () => {
  it("has every rule in its own words", () => {
    const page = readFileSync(path.resolve(import.meta.dirname, "../../docs/policy.md"), "utf8");
    const rows = [...page.matchAll(/^\| (?!Rule|-)(.*) \|$/gm)].map(([, row = ""]) => row.split(/ +\| /));
    assert.deepEqual(
      rows.map((cells) => cells.map((cell) => cell.trim())),
      rules.map(({ id, level, what, why, fix }) => [id, level, what, why, fix]),
    );
  });
});
