import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { hashBuildContext, listBuildContext } from "../../../infra/components/tasks/buildContext.ts";
import { hasExceptionIn, parseIgnoreFile } from "../../../infra/components/tasks/dockerIgnore.ts";
import { planBuild } from "../../../infra/components/tasks/image.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

describe("a build context", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "build-context-"));
    write("Dockerfile", "FROM scratch");
    write("file", "one");
    write("src/a", "a");
    write("src/inner/b", "b");
    write("node_modules/package/index.js", "ignored");
    write(".dockerignore", "node_modules\n");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const write = (file: string, content: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  };
  const listed = (dockerfile = "Dockerfile"): readonly string[] => listBuildContext({ folder, dockerfile });
  const hash = (salt = ""): string => hashBuildContext({ folder, dockerfile: "Dockerfile" }, salt);

  it("has the files that the ignore file does not exclude", () => {
    assert.deepEqual(listed(), [".dockerignore", "Dockerfile", "file", "src/a", "src/inner/b"]);
  });

  it("has all files if there is no ignore file", () => {
    rmSync(path.join(folder, ".dockerignore"));
    assert.ok(listed().includes("node_modules/package/index.js"));
  });

  it("has the Dockerfile and the ignore file, which the builder reads even if they are excluded", () => {
    write(".dockerignore", "*\n");
    assert.deepEqual(listed(), [".dockerignore", "Dockerfile"]);
  });

  it("prefers an ignore file with the name of the Dockerfile", () => {
    write("deploy/Dockerfile", "FROM scratch");
    write("deploy/Dockerfile.dockerignore", "*\n!file\n");
    assert.deepEqual(listed("deploy/Dockerfile"), [
      "deploy/Dockerfile",
      "deploy/Dockerfile.dockerignore",
      "file",
    ]);
  });

  // Each result is the one of github.com/moby/patternmatcher 0.6.0.
  for (const [lines, included] of [
    [
      ["*", "!src"],
      ["src/a", "src/inner/b"],
    ],
    [["*", "!src", "src/inner"], ["src/a"]],
    [
      ["src", "!src/inner"],
      ["file", "src/inner/b"],
    ],
    [
      ["src/inner", "!src"],
      ["file", "src/a"],
    ],
    [
      ["*", "!src/*"],
      ["src/a", "src/inner/b"],
    ],
    [["*", "!*/inner/b"], ["src/inner/b"]],
    [["*", "!src/**/b"], ["src/inner/b"]],
    [["**/b"], ["file", "src/a"]],
    [["*/a"], ["file", "src/inner/b"]],
    [["/src/", "# comment", " file "], []],
    [["src/**"], ["file"]],
    [["[a-f]ile"], ["src/a", "src/inner/b"]],
    [["[^a]ile"], ["src/a", "src/inner/b"]],
    [["FILE"], ["file", "src/a", "src/inner/b"]],
    [["f?le"], ["src/a", "src/inner/b"]],
    [["./src/../src/a"], ["file", "src/inner/b"]],
    [["**", "!**/inner"], ["src/inner/b"]],
  ] as const) {
    it(`has ${included.join(", ") || "no files"} if the ignore file is ${lines.join(" ")}`, () => {
      write(".dockerignore", ["node_modules", ...lines].join("\n"));
      assert.deepEqual(
        listed().filter((file) => ![".dockerignore", "Dockerfile"].includes(file)),
        included,
      );
    });
  }

  // Each preview would read all installed packages otherwise.
  it("reads an excluded folder only if an exception can apply in it", () => {
    const patterns = parseIgnoreFile("*\n!app/*.ts\n!lib/a/b\n!docs/**/c\n", ".dockerignore");
    const folders = ["app", "app/src", "node_modules", "lib", "lib/a", "lib/b", "docs", "docs/x/y"];
    assert.deepEqual(
      folders.filter((name) => hasExceptionIn(patterns, name)),
      ["app", "lib", "lib/a", "docs", "docs/x/y"],
    );
  });

  it("matches names with characters that have a meaning in regular expressions", () => {
    write("c++/a(b).txt", "");
    write(".dockerignore", "node_modules\nsrc\nc++/a(b).txt\n");
    assert.deepEqual(listed(), [".dockerignore", "Dockerfile", "file"]);
  });

  for (const line of ["!", "[a"]) {
    it(`rejects the line ${line} of an ignore file`, () => {
      write(".dockerignore", `${line}\n`);
      assert.throws(listed, /\.dockerignore`: got the line ".*"; expected a pattern/);
    });
  }

  it("is rejected if the folder or the Dockerfile is missing", () => {
    assert.throws(
      () => listBuildContext({ folder: `${folder}/gone`, dockerfile: "Dockerfile" }),
      /The build context .*gone is no folder/,
    );
    assert.throws(() => listed("other/Dockerfile"), /has no file other\/Dockerfile/);
  });

  it("is rejected if it is too large", () => {
    truncateSync(path.join(folder, "file"), 600 * 2 ** 20);
    assert.throws(listed, /more than 20000 files or 500 MiB\. Exclude folders .* \.dockerignore/);
  });

  it("has a hash that is equal for equal content, and a legal image tag", () => {
    assert.equal(hash(), hash());
    assert.match(hash(), /^[0-9a-f]{20}$/);
  });

  it("has a hash that ignored files do not change", () => {
    const before = hash();
    write("node_modules/package/index.js", "changed");
    assert.equal(hash(), before);
  });

  const changes: Readonly<Record<string, () => void>> = {
    "a changed file": () => {
      write("src/inner/b", "B");
    },
    "a new file": () => {
      write("src/c", "");
    },
    "content moved between files": () => {
      write("src/a", "");
      write("file", "onea");
    },
    "an executable bit": () => {
      chmodSync(path.join(folder, "file"), 0o755);
    },
    "another permission, which the builder includes": () => {
      chmodSync(path.join(folder, "file"), 0o600);
    },
    "a link instead of a file": () => {
      rmSync(path.join(folder, "src/a"));
      symlinkSync("inner/b", path.join(folder, "src/a"));
    },
    "the ignore file": () => {
      write(".dockerignore", "node_modules\n# comment\n");
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`has a hash that changes with ${what}`, () => {
      const before = hash();
      change();
      assert.notEqual(hash(), before);
    });
  }

  it("has a hash that changes with the content of a link's target, which the provider compares", () => {
    write("node_modules/target", "one");
    symlinkSync("node_modules/target", path.join(folder, "link"));
    symlinkSync("nowhere", path.join(folder, "broken"));
    symlinkSync("src", path.join(folder, "folder"));
    const before = hash();
    write("node_modules/target", "two");
    assert.notEqual(hash(), before);
  });

  describe("of a planned build", () => {
    it("is relative to the working directory, so that another machine has the same path", () => {
      const source = { context: path.join(ROOT, "app"), dockerfile: "Dockerfile" };
      const { context, dockerfile, platform } = planBuild(source, "X86_64");
      assert.deepEqual(
        { context, dockerfile, platform },
        {
          context: path.relative(process.cwd(), path.join(ROOT, "app")),
          dockerfile: path.join(path.relative(process.cwd(), path.join(ROOT, "app")), "Dockerfile"),
          platform: "linux/amd64",
        },
      );
    });

    it("has a hash that changes with the platform, the stage and the arguments", () => {
      const source = { context: folder, dockerfile: "Dockerfile" };
      const hashes = [
        planBuild(source, "ARM64"),
        planBuild(source, "X86_64"),
        planBuild({ ...source, target: "build" }, "ARM64"),
        planBuild({ ...source, args: { VERSION: "1" } }, "ARM64"),
        planBuild({ ...source, args: { VERSION: "2" } }, "ARM64"),
      ].map(({ contentHash }) => contentHash);
      assert.equal(new Set(hashes).size, hashes.length);
      assert.equal(planBuild(source, "ARM64").contentHash, hashes[0]);
    });
  });
});

describe("the build context of the server", () => {
  it("has the sources of the image, and nothing else", () => {
    const files = listBuildContext({ folder: ROOT, dockerfile: "app/Dockerfile" });
    for (const file of [".dockerignore", "app/Dockerfile", "app/src/main.ts", "package-lock.json"]) {
      assert.ok(files.includes(file), file);
    }
    const others = files.filter(
      (file) => !/^(?:app\/|client\/src\/|console\/|package(?:-lock)?\.json$|\.dockerignore$)/.test(file),
    );
    assert.deepEqual(others, []);
    assert.ok(!files.some((file) => file.includes("node_modules")));
  });
});
