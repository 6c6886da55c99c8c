import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { encode } from "../../app/src/settings/definition.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";
import { assertRestated, withTable } from "../support/restated.ts";
import { declaredGraph } from "../support/stacks.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");

describe("the documentation", () => {
  it("has every config key in the README, with its default and description", () => {
    const rows = Object.entries(configDefinitions).map(([name, definition]) => {
      // A stack has no default for it.
      if (name === "access") return [`\`${name}\``, "required", definition.description];
      const value = encode(definition.default);
      return [`\`${name}\``, value === "" ? "none" : `\`${value}\``, definition.description];
    });
    assertRestated({ "README.md": (page) => withTable(page, ["Key", "Default", "What it is"], rows) });
  });

  it("names every output in the README", async () => {
    const { outputs } = await declaredGraph("dev");
    const [, listed = ""] = /^Outputs: (.*)$/m.exec(README) ?? [];
    assert.deepEqual(
      [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name),
      Object.keys(outputs),
    );
  });

  it("shows as many resources as the program declares", async () => {
    const { resources } = await declaredGraph("dev");
    assertRestated({
      "README.md": (page) => page.replace(/(?<=Stack dev: )\d+(?= resources)/, String(resources.length)),
    });
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
