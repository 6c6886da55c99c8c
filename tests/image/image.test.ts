import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SERVER_NODE_OPTIONS } from "../../app/src/settings/contract.ts";
import { defaultSettings } from "../../app/src/settings/settings.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { declaredGraph } from "../support/stacks.ts";
import { list, number, text, valueAt } from "../support/values.ts";
import { buildImage } from "./support/build.ts";
import type { BuiltImage } from "./support/build.ts";
import { Container } from "./support/container.ts";
import type { ContainerProcess } from "./support/container.ts";
import { parseDockerfile } from "./support/dockerfile.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const CONTEXT = { folder: ROOT, dockerfile: "app/Dockerfile" };
const DOCKERFILE = readFileSync(path.join(ROOT, CONTEXT.dockerfile), "utf8");

/** npm downloads the packages of the app if its cache lacks them. */
const BUILD_TIMEOUT_MS = 120_000;

const KIB = 1024;

describe("the image", function () {
  this.timeout(BUILD_TIMEOUT_MS);

  let scratch: string;
  let image: BuiltImage;
  let container: Container;

  before(async function () {
    scratch = mkdtempSync(path.join(tmpdir(), "image-"));
    const undo = new AsyncDisposableStack();
    atSuiteEnd(this, () => undo.disposeAsync());
    undo.defer(() => {
      rmSync(scratch, { recursive: true, force: true });
    });
    // The image's user must be able to read it.
    chmodSync(scratch, 0o755);
    image = await buildImage(CONTEXT, DOCKERFILE, scratch);
    container = new Container(image);
    undo.defer(() => container.close());
  });

  it("contains only the bundle, the client and the page", () => {
    const files = globSync("srv/**", { cwd: image.root, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(image.root, path.join(entry.parentPath, entry.name)));
    const repository = globSync("console/**", { cwd: ROOT, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join("srv", path.relative(ROOT, path.join(entry.parentPath, entry.name))));
    const built = ["srv/app/dist/server.mjs", "srv/console/client.js"];
    assert.deepEqual(files.sort(), [...built, ...repository].sort());
  });

  it("has the Node version of the tests", () => {
    const [, major] = /^node:(\d+)-/.exec(image.base) ?? [];
    assert.equal(major, process.versions.node.split(".")[0]);
  });

  it("starts the server with the options of Node.js that the local stack and the benchmark use", () => {
    assert.deepEqual(image.command, ["node", ...SERVER_NODE_OPTIONS, "server.mjs"]);
  });

  it("agrees with the task definition on the health check, the port and the user", async () => {
    const { resources } = await declaredGraph("prod");
    const service = resources.find(({ type }) => type === "awsx:ecs:FargateService");
    const declared = valueAt(service?.inputs, "taskDefinitionArgs.container");
    assert.deepEqual(["CMD", ...image.healthCommand], list(declared, "healthCheck.command"));
    assert.deepEqual(image.exposed, [String(number(declared, "portMappings[0].containerPort"))]);
    assert.notEqual(image.user.split(":")[0], "0");
  });

  describe("started as its user on a read-only file system", () => {
    let server: ContainerProcess;
    let port: number;

    before(async () => {
      const started = performance.now();
      server = container.start(image.command, { HOST: "127.0.0.1", PORT: "0", WEBSOCKET_METRICS_PORT: "0" });
      const line: unknown = JSON.parse(await server.line((text) => text.includes('"msg":"listening"')));
      const startUp = performance.now() - started;
      port = number(line, "port");
      const { size } = statSync(path.join(image.root, image.workingDirectory, "server.mjs"));
      console.log(`      server.mjs: ${Math.round(size / KIB)} KiB, listens after ${Math.round(startUp)} ms`);
    });

    it("cannot write into its own folder", async function () {
      if (!container.hasOwnUser) {
        console.warn("    SKIPPED: only root can run the image as its own user.");
        this.skip();
      }
      const { code } = await container.start(["/bin/sh", "-c", "touch server.mjs || touch other"]).ended;
      assert.notEqual(code, 0);
    });

    it("passes its health check, which fails for a port without a server", async () => {
      const health = (env: Record<string, string>) =>
        container.start(image.healthCommand, { WEBSOCKET_ACCESS: "open", ...env }).ended;
      assert.deepEqual(await health({ PORT: String(port) }), { code: 0, stdout: "", stderr: "" });
      assert.equal((await health({ PORT: "1" })).code, 1);
    });

    it("serves a WebSocket, the page and the client", async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/wss`);
      const received: unknown[] = [];
      await new Promise<void>((resolve, reject) => {
        socket.addEventListener("error", reject);
        socket.addEventListener("open", () => {
          socket.send(JSON.stringify({ hello: "image" }));
        });
        socket.addEventListener("message", ({ data }) => {
          received.push(JSON.parse(String(data)));
          if (received.length === 2) resolve();
        });
      });
      assert.deepEqual(received, [{ connection: "ok" }, { message: { hello: "image" } }]);
      const closed = once(socket, "close");
      socket.close();
      await closed;

      for (const file of ["index.html", "client.js"]) {
        assert.equal((await fetch(`http://127.0.0.1:${port}/${file}`)).status, 200, file);
      }
    });

    it("ends in order at its stop signal", async () => {
      assert.equal(image.stopSignal, "SIGTERM");
      server.kill(image.stopSignal);
      const { code, stderr } = await server.ended;
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    });
  });

  it("listens on the port that it exposes", () => {
    assert.deepEqual(image.exposed, [String(defaultSettings().port)]);
  });
});

describe("the reader of Dockerfiles", () => {
  it("joins continued lines, skips comments and separates the stages", () => {
    const [build, last] = parseDockerfile(
      '# x\nFROM --platform=$A a:1 AS build\nRUN a \\\n  # no\n  b\nfrom c\nCMD ["d"]\n',
    );
    assert.deepEqual(build, {
      base: "a:1",
      name: "build",
      instructions: [{ keyword: "RUN", text: "a    b" }],
    });
    assert.deepEqual(last, { base: "c", name: undefined, instructions: [{ keyword: "CMD", text: '["d"]' }] });
    assert.ok(text(last, "base"));
  });

  it("refuses what it does not understand", async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), "image-"));
    try {
      for (const line of ["ADD a b", "ENV A=1 B=2", "COPY --link console b", "CMD node server.mjs"]) {
        await assert.rejects(buildImage(CONTEXT, `FROM a\n${line}\n`, path.join(scratch, line)), Error, line);
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
});
