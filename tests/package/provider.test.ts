/** The provider of the npm package, as Pulumi starts it for programs in other languages. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import service from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import packageFile from "../../package.json" with { type: "json" };
import { installProgram, PACKAGE_NAME } from "./support/installedProgram.ts";

const TEMPLATE = path.join(import.meta.dirname, "fixtures/template");

/** The build compiles several hundred modules. */
const TIMEOUT_MS = 300_000;

describe("the provider in the npm package", function () {
  this.timeout(TIMEOUT_MS);

  let root: string;

  before(() => {
    root = mkdtempSync(path.join(tmpdir(), "provider-test-"));
  });

  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it("has a schema with the version of the package", async () => {
    const program = path.join(root, "program");
    mkdirSync(program);
    installProgram(program, { files: TEMPLATE });
    const folder = path.join(program, "node_modules", PACKAGE_NAME, "provider");
    const runner = createRequire(path.join(folder, "index.js")).resolve(
      "@pulumi/pulumi/cmd/run-plugin/index.js",
    );
    const provider = spawn(process.execPath, [runner, folder], {
      cwd: program,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [port] = (await once(provider.stdout, "data")) as [Buffer];
      const client = new service.ResourceProviderClient(
        `127.0.0.1:${port.toString().trim()}`,
        grpc.credentials.createInsecure(),
      );
      const response = await promisify((reply: grpc.requestCallback<messages.GetSchemaResponse>) =>
        client.getSchema(new messages.GetSchemaRequest(), reply),
      )();
      client.close();
      const { name, version } = JSON.parse(response?.getSchema() ?? "") as Record<string, unknown>;

      assert.deepEqual({ name, version }, { name: "websocket", version: packageFile.version });
    } finally {
      provider.kill();
    }
  });
});
