/** `scripts/setup.mjs`, in a small project. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, utimes } from "node:fs/promises";
import path from "node:path";
import { waitUntil } from "../support/waitUntil.ts";
import { createProject, type Project } from "./support/project.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PACKAGE = "node_modules/one";
const LOCKED = { version: "1.0.0", integrity: "sha512-one" };
const OLD_NODE = "#!/bin/sh\necho v20.11.0\n";

describe("scripts/setup.mjs", () => {
  let project: Project;

  beforeEach(async () => {
    project = await createProject();
    await project.lock({ [PACKAGE]: LOCKED });
  });

  afterEach(async () => {
    await project[Symbol.asyncDispose]();
  });

  async function setUp(env?: NodeJS.ProcessEnv): Promise<string> {
    const { code, stderr } = await (await project.start("installing", env)).ended;
    assert.equal(code, 0, stderr);
    return stderr;
  }

  it("installs once, independent of the lockfile's modification time", async () => {
    await setUp();
    const future = new Date(Date.now() + 3_600_000);
    await utimes(project.file("package-lock.json"), future, future);
    assert.equal(await setUp(), "");
    assert.equal((await project.npmRuns()).length, 1);
  });

  const changes: Readonly<Record<string, Readonly<Record<string, object>>>> = {
    "a version": { [PACKAGE]: { ...LOCKED, version: "1.0.1" } },
    "a digest": { [PACKAGE]: { ...LOCKED, integrity: "sha512-other" } },
    "a new package": { [PACKAGE]: LOCKED, "node_modules/two": LOCKED },
  };
  for (const [change, packages] of Object.entries(changes)) {
    it(`installs after the lockfile changed: ${change}`, async () => {
      await setUp();
      await project.lock(packages);
      await setUp();
      assert.equal((await project.npmRuns()).length, 2);
    });
  }

  it("installs when the folder of a package is missing", async () => {
    await setUp();
    await project.lock({ [PACKAGE]: LOCKED, "node_modules/two": LOCKED });
    await project.write(
      "node_modules/.package-lock.json",
      await readFile(project.file("package-lock.json"), "utf8"),
    );
    await setUp();
    assert.equal((await project.npmRuns()).length, 2);
  });

  it("does not install if only a package of another platform is missing", async () => {
    await setUp();
    await project.lock({ [PACKAGE]: LOCKED, "node_modules/other": { ...LOCKED, optional: true } });
    await setUp();
    assert.equal((await project.npmRuns()).length, 1);
  });

  it("runs no install scripts and overrides the machine's npm settings", async () => {
    await setUp();
    const [args = []] = await project.npmRuns();
    assert.equal(args[0], "ci");
    for (const arg of ["--ignore-scripts", "--include=dev", "--include=optional", "--engine-strict=false"])
      assert.ok(args.includes(arg), `${arg} is missing in ${args.join(" ")}`);
  });

  for (const manager of ["yarn.js", "pnpm.cjs"]) {
    it(`uses npm of the PATH if ${manager} runs it`, async () => {
      await project.write(`fake/${manager}`, "process.exit(9);");
      await project.write("fake/npm", "#!/bin/sh\necho '[]' > npm.log\n", 0o755);
      const { stderr, code } = await project.startPlain({
        npm_execpath: project.file(`fake/${manager}`),
        PATH: `${project.file("fake")}${path.delimiter}${process.env["PATH"] ?? ""}`,
      }).ended;
      assert.equal(code, 0, stderr);
      assert.deepEqual(await project.npmRuns(), [[]]);
    });
  }

  it("installs with the real npm if NODE_ENV is production and engines are strict", async () => {
    await project.write(
      "dep/package.json",
      JSON.stringify({ name: "one", version: "1.0.0", engines: { node: ">=99" } }),
    );
    execFileSync("npm", ["pack", "./dep", "--silent"], { cwd: project.root });
    const digest = createHash("sha512")
      .update(await readFile(project.file("one-1.0.0.tgz")))
      .digest("base64");
    const devDependencies = { one: "file:one-1.0.0.tgz" };
    await project.write("package.json", JSON.stringify({ name: "small", version: "1.0.0", devDependencies }));
    await project.lock({
      "": { name: "small", version: "1.0.0", devDependencies },
      [PACKAGE]: {
        ...{ version: "1.0.0", resolved: "file:one-1.0.0.tgz", integrity: `sha512-${digest}`, dev: true },
        engines: { node: ">=99" },
      },
    });
    await project.write(".npmrc", "engine-strict=true\n");
    for (const isFirst of [true, false]) {
      const { code, stderr } = await project.startPlain({ NODE_ENV: "production" }).ended;
      assert.equal(code, 0, stderr);
      assert.equal(stderr.includes("Installing"), isFirst, stderr);
    }
    assert.ok(existsSync(project.file(`${PACKAGE}/package.json`)));
  });

  it("reports the failed command and its Node version", async () => {
    const { code, stderr } = await (await project.start("failing")).ended;
    assert.equal(code, 1);
    assert.match(stderr, /npm-cli\.js ci .*` in .*: exit code 3/);
    assert.ok(stderr.includes(process.version), stderr);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`ends npm and its children on ${signal}, and the next start recovers`, async () => {
      const { child, ended } = await project.start("hanging");
      await once(child.stderr ?? assert.fail(), "data");
      await waitUntil(() => existsSync(project.file("npm.pids")), { everyMs: 10 });
      child.kill(signal);
      const { code, stderr } = await ended;
      assert.ok(code !== null && code > 128, `${String(code)}: ${stderr}`);
      assert.match(stderr, /interrupted/);
      const pids = (await readFile(project.file("npm.pids"), "utf8")).split(" ").map(Number);
      await waitUntil(() => pids.every((pid) => !isRunning(pid)), { everyMs: 10 });

      assert.ok(existsSync(project.file("node_modules/half")));
      await setUp();
      assert.ok(!existsSync(project.file("node_modules/half")));
    });
  }

  it("ends npm and its children when the npm that runs the script is killed", async () => {
    const asNpm = `require("node:child_process").spawn(process.execPath, ["scripts/setup.mjs"], { stdio: "inherit" });`;
    const { child, ended } = await project.start("hanging", { npm_lifecycle_event: "prestart" }, [
      "-e",
      asNpm,
    ]);
    await waitUntil(() => existsSync(project.file("npm.pids")), { everyMs: 10 });
    child.kill("SIGKILL");
    assert.match((await ended).stderr, /interrupted/);
    const pids = (await readFile(project.file("npm.pids"), "utf8")).split(" ").map(Number);
    await waitUntil(() => pids.every((pid) => !isRunning(pid)), { everyMs: 10 });
  });

  it("reports the version of a Node that is too old", async () => {
    await project.write("fake/node", OLD_NODE, 0o755);
    const { code, stderr } = await (await project.start("installing", { PATH: project.file("fake") })).ended;
    assert.equal(code, 1);
    assert.match(stderr, /No Node of version 24 or later .*the Node on the PATH: v20\.11\.0/);
  });

  it("uses the machine's Node if the packaged one does not run", async () => {
    await setUp();
    await project.write("node_modules/.bin/node", "#!/bin/sh\necho GLIBC not found >&2\nexit 1\n", 0o755);
    const PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env["PATH"] ?? ""}`;
    assert.match(
      await setUp({ PATH }),
      /the packaged Node: it does not run \(GLIBC not found\).*using the Node on the PATH/,
    );
    assert.equal(await setUp({ PATH }), "");
  });
});

describe("the lockfile", () => {
  interface Entry {
    readonly version: string;
    readonly integrity?: string;
    readonly link?: boolean;
  }

  it("has a digest for every package", async () => {
    const { packages } = (await readJson("package-lock.json")) as { packages: Record<string, Entry> };
    const without = Object.entries(packages).filter(
      ([folder, { integrity, link }]) => folder.startsWith("node_modules/") && !link && !integrity,
    );
    assert.deepEqual(without, []);
  });

  it("has a supported Node for each platform, and allows no install script", async () => {
    const { optionalDependencies, allowScripts } = (await readJson("package.json")) as {
      optionalDependencies: Record<string, string>;
      allowScripts: Record<string, boolean>;
    };
    const nodes = Object.entries(optionalDependencies).filter(([name]) => name.startsWith("node-"));
    assert.ok(nodes.length >= 5);
    const setup = await readFile(path.join(ROOT, "scripts/setup.mjs"), "utf8");
    const oldest = Number(/MIN_NODE_MAJOR = (\d+)/.exec(setup)?.[1]);
    for (const [name, version] of nodes)
      assert.ok(Number.parseInt(version, 10) >= oldest, `${name}@${version}`);
    assert.deepEqual(new Set(Object.values(allowScripts)), new Set([false]));
  });
});

async function readJson(name: string): Promise<unknown> {
  return JSON.parse(await readFile(path.join(ROOT, name), "utf8"));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
