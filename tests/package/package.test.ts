/** The npm package in an empty program: its files, its types, and what it exports. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { on, once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { importedPackages } from "../../scripts/package/importedPackages.ts";
import { typeErrors } from "./support/compiler.ts";
import { installProgram, PACKAGE_NAME } from "./support/installedProgram.ts";
import { packPackage } from "./support/packedPackage.ts";
import { readmeSnippet, readmeSnippets } from "./support/readmeSnippets.ts";

const run = promisify(execFile);

const TEMPLATE = path.join(import.meta.dirname, "fixtures/template");

/** The build compiles several hundred modules. */
const BUILD_TIMEOUT_MS = 300_000;

const MAX_TARBALL_BYTES = 1_500_000;

/** Entries of the package. Each folder of code has only modules that another entry needs. */
const ENTRIES = [
  ...[".dockerignore", "CHANGELOG.md", "LICENSE", "PROTOCOL.md", "README.md", "package.json"],
  ...[
    "app",
    "bin",
    "cli",
    "client",
    "console",
    "docs",
    "infra",
    "load-test",
    "local",
    "policy",
    "provider",
    "simulate",
    "token",
  ],
];

/** Files that no folder of code has for users: sources, source maps, tests, and the program and tools of the repository. */
const NOT_FOR_USERS = /(?<!\.d)\.ts$|\.map$|\.test\.|^(?:tests|bench|deploy|scripts)\/|^app\/build\./;

/** A program that compiles only if the types of the arguments and outputs are precise. */
const TYPES = `
import { WebSocketService, type WebSocketServiceArgs } from "${PACKAGE_NAME}";
const args: WebSocketServiceArgs = { access: "open", maxTasks: 3 };
export const url: string = new WebSocketService("chat", args).websocketUrl.get();
// @ts-expect-error: a mistyped argument.
new WebSocketService("chat", { access: "open", maxTask: 3 });
// @ts-expect-error: a value of another type.
new WebSocketService("chat", { access: "open", maxTasks: "3" });
`;

interface Manifest {
  readonly type: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

describe("the npm package", function () {
  this.timeout(BUILD_TIMEOUT_MS);

  let root: string;
  let program: string;

  before(() => {
    root = mkdtempSync(path.join(tmpdir(), "package-test-"));
    program = path.join(root, "program");
    mkdirSync(program);
    installProgram(program, { files: TEMPLATE, hasCompiler: true });
  });

  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  /** Runs a module of the program and returns its output. */
  async function runModule(name: string, text: string): Promise<string> {
    writeFileSync(path.join(program, name), text);
    const { stdout } = await run(process.execPath, [name], { cwd: program });
    return stdout.trim();
  }

  it("contains only what users need", () => {
    const { files, size } = packPackage();
    const names = files.map((file) => file.path);
    assert.deepEqual([...new Set(names.map((name) => name.split("/")[0] ?? ""))].sort(), [...ENTRIES].sort());
    assert.deepEqual(
      names.filter((name) => NOT_FOR_USERS.test(name)),
      [],
    );
    assert.ok(size < MAX_TARBALL_BYTES, `${size} bytes`);
  });

  it("depends on the packages that it imports, and shares those of Pulumi with the program", () => {
    const folder = path.join(program, "node_modules", PACKAGE_NAME);
    const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest;
    const declared = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)];
    assert.deepEqual(declared.sort(), importedPackages(folder));
    assert.deepEqual(
      Object.keys(manifest.dependencies).filter((name) => name.startsWith("@pulumi/")),
      [],
    );
    assert.ok("@pulumi/pulumi" in manifest.peerDependencies);
  });

  it("contains only pages whose links lead to files of the package", () => {
    const folder = path.join(program, "node_modules", PACKAGE_NAME);
    const page = readFileSync(path.join(folder, "README.md"), "utf8");
    const links = [...page.matchAll(/\]\((?!https:|#)(?<target>[^)#]+)/g)].map(
      ({ groups }) => groups?.["target"] ?? "",
    );
    assert.ok(links.length > 0);
    for (const link of links)
      assert.ok(
        packPackage().files.some((file) => file.path === link),
        link,
      );
  });

  it("has types for a bundler, and a README whose snippets compile as modules of Node, with every check of the compiler", () => {
    const bundled = { module: "esnext", moduleResolution: "bundler" };
    assert.deepEqual(typeErrors(program, { "types.ts": TYPES }, bundled), []);
    const snippets = { ...readmeSnippets(), "types.mts": TYPES };
    assert.ok(Object.keys(snippets).length > 5);
    assert.deepEqual(typeErrors(program, snippets, { module: "nodenext", moduleResolution: "nodenext" }), []);
  });

  it("has a README whose unit test passes", async () => {
    assert.equal(await runModule("readme.mts", readmeSnippet("setMocks")), "passed");
  });

  it("has a component that a CommonJS module declares under Pulumi's mocks", async () => {
    const output = await runModule(
      "unit.cjs",
      `
      const pulumi = require("@pulumi/pulumi");
      const { createMocks } = require("${PACKAGE_NAME}/testing");
      pulumi.runtime.setMocks(createMocks()).then(() => {
        const { WebSocketService } = require("${PACKAGE_NAME}");
        new WebSocketService("chat", { access: "open" }).websocketUrl.apply((url) => console.log(url));
      });
      `,
    );
    assert.match(output, /^wss:\/\/[\w-]+\.cloudfront\.net\/wss$/);
  });

  it("reports all wrong arguments at once, by the names of the arguments", async () => {
    const output = await runModule(
      "wrong.mjs",
      `
      import * as pulumi from "@pulumi/pulumi";
      import { WebSocketService } from "${PACKAGE_NAME}";
      await pulumi.runtime.setMocks({ newResource: ({ inputs }) => ({ id: "x", state: inputs }), call: ({ inputs }) => inputs });
      try {
        new WebSocketService("chat", { access: "open", minTasks: 0, maxTasksPerDay: 1 });
      } catch (error) {
        console.log(error.message);
      }
      `,
    );
    assert.match(output, /`minTasks`: got 0; expected a whole number from 1/);
    assert.match(output, /`maxTasksPerDay`: got an unknown/);
  });

  it("has a server and a client that exchange a message", async () => {
    const output = await runModule(
      "server.mjs",
      `
      import { pino } from "pino";
      import { connect } from "${PACKAGE_NAME}/client";
      import { fromEnvironment, startServer } from "${PACKAGE_NAME}/server";
      const settings = fromEnvironment({
        HOST: "127.0.0.1", PORT: "0", WEBSOCKET_ACCESS: "open", WEBSOCKET_METRICS_PORT: "0", WEBSOCKET_DRAIN_SECONDS: "1",
      });
      const { address, shutDown } = await startServer({ settings, logger: pino({ level: "silent" }) });
      const page = await fetch(\`http://127.0.0.1:\${address.port}/index.html\`);
      const connection = connect(\`ws://127.0.0.1:\${address.port}/wss\`);
      const received = new Promise((resolve) => {
        connection.channel("lobby", { last: 1, onMessage: ({ value }) => resolve(value) });
      });
      await connection.publish("lobby", { hello: "everyone" });
      console.log(page.status, JSON.stringify(await received));
      await connection.close();
      await shutDown();
      `,
    );
    assert.equal(output, '200 {"hello":"everyone"}');
  });

  it("has a command that runs the declared graph of the program, with the server of the package", async () => {
    const command = path.join(program, "node_modules/.bin", PACKAGE_NAME);
    const options = ["--json", "--no-dashboard", "--edge-port", "0", "--load-balancer-port", "0"];
    const child = spawn(command, ["start", ...options], {
      cwd: program,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    try {
      const socket = new WebSocket(await readyUrl(child.stdout), { rejectUnauthorized: false });
      const messages = on(socket, "message");
      await once(socket, "open");
      socket.send('{"hello":"everyone"}');
      for await (const [data] of messages as AsyncIterable<[Buffer]>) {
        if (data.toString() === '{"message":{"hello":"everyone"}}') break;
      }
      socket.close();
    } finally {
      child.kill("SIGTERM");
    }
    assert.deepEqual(await ended, [0, null]);
  });

  it("has the policies of the pack", async () => {
    const output = await runModule(
      "policies.mjs",
      `
      import { policies } from "${PACKAGE_NAME}/policy";
      console.log(policies.map(({ name }) => name).join(" "));
      `,
    );
    assert.match(output, /\bCFR1\b.*\bSUPPRESSIONS\b/);
  });

  it("has a command that lists its commands, and prints their options as a user enters them", async () => {
    const command = path.join(program, "node_modules/.bin", PACKAGE_NAME);
    const list = await run(command, ["--help"], { cwd: program });
    for (const name of ["start", "token", "simulate", "load-test", "policy"]) {
      assert.match(list.stdout, new RegExp(`^  ${name} `, "m"));
      const help = await run(command, [name, "--help"], { cwd: program });
      assert.match(help.stdout, new RegExp(`^Usage: npx ${PACKAGE_NAME} ${name} `, "m"));
      assert.doesNotMatch(help.stdout, /npm (?:run|start)/);
    }
    await assert.rejects(run(command, ["strat"], { cwd: program }), /`strat`: got an unknown command/);
  });
});

/** Reads the events of `start --json` until the stack is ready. @throws {Error} with the events, if the stack ends before. */
async function readyUrl(output: Readable): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface(output)) {
    lines.push(line);
    const { event, urls } = JSON.parse(line) as {
      readonly event: string;
      readonly urls?: { readonly websocket: string };
    };
    if (event === "ready" && urls !== undefined) return urls.websocket;
  }
  throw new Error(`The stack ended before it was ready:\n${lines.join("\n")}`);
}
