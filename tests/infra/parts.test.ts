import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { hashContent } from "../../infra/components/tasks/contentHash.ts";
import { memoryChoices } from "../../infra/config/data/fargateSizes.ts";
import { listBuildContext } from "../../infra/components/tasks/image.ts";
import { readStackFiles } from "../../infra/evaluation/stackFiles.ts";
import { renderReadme } from "../../infra/readme.ts";
import { checkTimeouts } from "../../infra/config/rules/timeouts.ts";
import type { Timeouts } from "../../infra/config/rules/timeouts.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the content hash", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "content-hash-"));
    mkdirSync(path.join(root, "src/inner"), { recursive: true });
    writeFileSync(path.join(root, "file"), "one");
    writeFileSync(path.join(root, "src/a"), "a");
    writeFileSync(path.join(root, "src/inner/b"), "b");
    writeFileSync(path.join(root, "other"), "not counted");
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const hash = (salt?: string): string => hashContent(root, ["file", "src"], salt);

  it("is the same for the same content, in whatever order it is listed, and a legal image tag", () => {
    assert.equal(hash(), hash());
    assert.equal(hashContent(root, ["src", "file"]), hash());
    assert.match(hash(), /^[0-9a-f]{20}$/);
  });

  it("ignores what is not asked for", () => {
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
    "another permission, which the builder counts too": () => {
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

  it("fails for a file that is not there", () => {
    assert.throws(() => hashContent(root, ["gone"]), /ENOENT.*gone/);
  });
});

describe("the build context", () => {
  it("is what .dockerignore lets in, itself, and the Dockerfile", () => {
    const context = listBuildContext(ROOT);
    for (const file of [".dockerignore", "app/Dockerfile", "app/src", "console", "package-lock.json"]) {
      assert.ok(context.includes(file), file);
    }
    assert.ok(!context.some((entry) => entry.includes("infra") || entry.includes("*")));
  });

  for (const [what, content] of [
    ["lets everything in first", "!app\n"],
    ["has patterns", "*\n!app/**/*.ts\n"],
    ["takes something out again", "*\n!app\napp/src\n"],
  ] as const) {
    it(`refuses a .dockerignore that ${what}`, () => {
      const root = mkdtempSync(path.join(tmpdir(), "context-"));
      writeFileSync(path.join(root, ".dockerignore"), content);
      assert.throws(() => listBuildContext(root), /\.dockerignore`: got .*; expected a line/);
      rmSync(root, { recursive: true });
    });
  }
});

describe("Fargate's sizes", () => {
  it("are those of the ECS documentation", () => {
    assert.deepEqual(memoryChoices(256), [512, 1024, 2048]);
    assert.deepEqual(memoryChoices(512), [1024, 2048, 3072, 4096]);
    assert.deepEqual([memoryChoices(1024).at(0), memoryChoices(1024).at(-1)], [2048, 8192]);
    assert.deepEqual(memoryChoices(8192).slice(0, 2), [16_384, 20_480]);
    assert.deepEqual(memoryChoices(16_384).at(-1), 122_880);
    assert.deepEqual(memoryChoices(32_768), [61_440, 122_880, 249_856]);
    assert.deepEqual(memoryChoices(1000), []);
  });
});

describe("the chain of timeouts", () => {
  const seconds = fc.integer({ min: 1, max: 1200 });
  const timeouts = fc.record({
    heartbeatSeconds: seconds,
    idleTimeoutSeconds: seconds,
    drainSeconds: seconds,
    stopTimeoutSeconds: seconds,
  });

  it("suggests a value for each timeout that fixes the chain", () => {
    const applyFixes = (chain: Timeouts): Timeouts => {
      const changes = checkTimeouts(chain).flatMap(({ fix }) => fix);
      const values = changes.map((change) => ("set" in change ? [change.set, Number(change.to)] : []));
      return { ...chain, ...(Object.fromEntries(values) as Partial<Timeouts>) };
    };
    fc.assert(
      fc.property(timeouts, (chain) => {
        // A shorter heartbeat can still be longer than the idle timeout.
        assert.deepEqual(checkTimeouts(applyFixes(applyFixes(chain))), []);
      }),
    );
  });

  it("holds exactly when every timeout ends before the next", () => {
    fc.assert(
      fc.property(timeouts, (chain) => {
        const holds =
          chain.heartbeatSeconds < 600 &&
          chain.heartbeatSeconds < chain.idleTimeoutSeconds &&
          chain.drainSeconds + 5 <= chain.stopTimeoutSeconds;
        assert.equal(checkTimeouts(chain).length === 0, holds);
      }),
    );
  });
});

describe("the stack files", () => {
  it("give defaults of Pulumi.yaml, and over them the stack's own values", () => {
    const { project, config } = readStackFiles(ROOT, "dev");
    assert.equal(project, "websocket");
    assert.equal(config["websocket:cpu"], "1024");
    assert.equal(config["websocket:requestsPerTarget"], "5");
    assert.equal(config["websocket:allowedOrigins"], "[]");
    assert.equal(config["aws:region"], "us-east-1");
  });

  it("name the command that restores Pulumi.yaml if it is missing", () => {
    const folder = path.join(ROOT, "infra");
    assert.throws(() => readStackFiles(folder, "dev", "config: {}"), {
      message: `${folder} has no Pulumi.yaml, which contains the name of the project. Fix: \`git checkout -- Pulumi.yaml\``,
    });
  });

  it("name the stacks that exist when one does not", () => {
    assert.throws(() => readStackFiles(ROOT, "prd"), /Pulumi\.prd\.yaml.*dev, prod.*Did you mean prod\?/);
  });

  it("name the file whose YAML is broken", () => {
    const root = mkdtempSync(path.join(tmpdir(), "stack-files-"));
    writeFileSync(path.join(root, "Pulumi.yaml"), "name: websocket\n");
    writeFileSync(path.join(root, "Pulumi.x.yaml"), "config:\n  a: 1\n  a: 2\n");
    assert.throws(
      () => readStackFiles(root, "x"),
      /^Error: Pulumi\.x\.yaml: Map keys must be unique at line 3/,
    );
    rmSync(root, { recursive: true });
  });

  it("refuse an encrypted value, which only Pulumi can read", () => {
    const root = mkdtempSync(path.join(tmpdir(), "stack-files-"));
    writeFileSync(path.join(root, "Pulumi.yaml"), "name: websocket\n");
    writeFileSync(path.join(root, "Pulumi.x.yaml"), "config:\n  websocket:a:\n    secure: xyz\n  b: 1\n");
    assert.throws(
      () => readStackFiles(root, "x"),
      /`websocket:a`: got an encrypted value.*--plaintext websocket:a/,
    );
    rmSync(root, { recursive: true });
  });
});

describe("the stack's page", () => {
  const page =
    "# Title\n\nAt ${outputs.a}.\n\n| What | Where |\n| --- | --- |\n| a | ${outputs.a} |\n| b | ${outputs.b} |\n\nAt ${outputs.a} and ${outputs.b}.\n";

  it("is whole where the stack has all outputs", () => {
    assert.equal(renderReadme(page, ["a", "b"]), page);
  });

  it("leaves out what the stack does not have", () => {
    assert.equal(
      renderReadme(page, ["a"]),
      "# Title\n\nAt ${outputs.a}.\n\n| What | Where |\n| --- | --- |\n| a | ${outputs.a} |",
    );
  });
});
