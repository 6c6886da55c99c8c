import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { generateFiles, generateSources } from "../../scripts/docs/generatedFiles.ts";
import { declaredGraph } from "../support/stacks.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the documentation", () => {
  it("has the generated parts that `npm run docs` writes", async () => {
    const files = [...(await generateSources()), ...(await generateFiles(declaredGraph))];
    const outdated = files.filter(({ actual, expected }) => actual !== expected);
    const differences = outdated.map(({ name, actual, expected }) => {
      const lines = actual.split("\n");
      return `${name}:\n${expected
        .split("\n")
        .filter((line) => !lines.includes(line))
        .map((line) => `+ ${line}`)
        .join("\n")}`;
    });
    assert.ok(outdated.length === 0, `outdated: run \`npm run docs\`\n${differences.join("\n")}`);
  });

  it("names every output in the README", async () => {
    const { outputs } = await declaredGraph("dev");
    const [, listed = ""] = /^Outputs: (.*)$/m.exec(readFileSync(path.join(ROOT, "README.md"), "utf8")) ?? [];
    assert.deepEqual(
      [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name),
      Object.keys(outputs).filter((name) => name !== "readme"),
    );
  });

  it("links to files that exist", () => {
    const pages = globSync("**/*.md", { cwd: ROOT, exclude: (name) => name === "node_modules" });
    assert.ok(pages.includes("README.md"));
    for (const page of pages) {
      const text = readFileSync(path.join(ROOT, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        assert.ok(existsSync(path.join(ROOT, path.dirname(page), target)), `${page} links to ${target}`);
      }
    }
  });
});
