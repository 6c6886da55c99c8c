import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { hashContent } from "../../../infra/components/tasks/contentHash.ts";
import { listBuildContext } from "../../../infra/components/tasks/image.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

describe("the content hash", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "content-hash-"));
    mkdirSync(path.join(root, "src/inner"), { recursive: true });
    writeFileSync(path.join(root, "file"), "one");
    writeFileSync(path.join(root, "src/a"), "a");
    writeFileSync(path.join(root, "src/inner/b"), "b");
    writeFileSync(path.join(root, "other"), "ignored");
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const hash = (salt?: string): string => hashContent(root, ["file", "src"], salt);

  it("is equal for equal content in any order, and a legal image tag", () => {
    assert.equal(hash(), hash());
    assert.equal(hashContent(root, ["src", "file"]), hash());
    assert.match(hash(), /^[0-9a-f]{20}$/);
  });

  it("ignores other files", () => {
    const before = hash();
    writeFileSync(path.join(root, "other"), "changed");
    assert.equal(hash(), before);
  });

  const changes: Readonly<Record<string, () => void>> = {
    "a changed file": () => {
      writeFileSync(path.join(root, "src/inner/b"), "B");
    },
    "a new file": () => {
      writeFileSync(path.join(root, "src/c"), "");
    },
    "content moved between files": () => {
      writeFileSync(path.join(root, "src/a"), "");
      writeFileSync(path.join(root, "file"), "onea");
    },
    "an executable bit": () => {
      chmodSync(path.join(root, "file"), 0o755);
    },
    "another permission, which the builder includes": () => {
      chmodSync(path.join(root, "file"), 0o600);
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`changes with ${what}`, () => {
      const before = hash();
      change();
      assert.notEqual(hash(), before);
    });
  }

  it("changes with the salt", () => {
    assert.notEqual(hash("linux/arm64"), hash("linux/amd64"));
  });

  it("fails for a missing file", () => {
    assert.throws(() => hashContent(root, ["gone"]), /ENOENT.*gone/);
  });
});

describe("the build context", () => {
  it("has the files that .dockerignore includes, .dockerignore and the Dockerfile", () => {
    const context = listBuildContext(ROOT);
    for (const file of [".dockerignore", "app/Dockerfile", "app/src", "console", "package-lock.json"]) {
      assert.ok(context.includes(file), file);
    }
    assert.ok(!context.some((entry) => entry.includes("infra") || entry.includes("*")));
  });

  for (const [what, content] of [
    ["starts without excluding everything", "!app\n"],
    ["includes a pattern", "*\n!app/**/*.ts\n"],
    ["excludes a part of an included folder", "*\n!app\napp/src\n"],
  ] as const) {
    it(`rejects a .dockerignore that ${what}`, () => {
      const root = mkdtempSync(path.join(tmpdir(), "context-"));
      writeFileSync(path.join(root, ".dockerignore"), content);
      assert.throws(() => listBuildContext(root), /\.dockerignore`: got .*; expected a line/);
      rmSync(root, { recursive: true });
    });
  }
});
