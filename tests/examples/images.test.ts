/** The Dockerfiles of the examples, without a container engine. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../cli/valkeyServer.ts";
import { buildImage } from "../image/support/build.ts";
import { Container } from "../image/support/container.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { APOLLO } from "./support/graphqlClient.ts";
import { folderOf, INSTALL_TIMEOUT_MS } from "./support/servers.ts";
import { SOCKET_IO } from "./support/socketIoClient.ts";

describe("the image of an example", function () {
  this.timeout(INSTALL_TIMEOUT_MS);

  for (const example of [APOLLO, SOCKET_IO]) {
    it(`runs the server of ${example} as a user without privileges, on a read-only file system`, async () => {
      await using undo = new AsyncDisposableStack();
      const scratch = mkdtempSync(path.join(tmpdir(), "image-"));
      undo.defer(() => {
        rmSync(scratch, { recursive: true, force: true });
      });
      // The image's user must be able to read it.
      chmodSync(scratch, 0o755);
      const context = { folder: path.join(folderOf(example), "server"), dockerfile: "Dockerfile" };
      const dockerfile = readFileSync(path.join(context.folder, context.dockerfile), "utf8");
      const image = await buildImage(context, dockerfile, scratch);
      assert.notEqual(image.user.split(":")[0], "0");
      const container = new Container(image);
      undo.defer(() => container.close());

      const port = await freePort();
      const server = container.start(image.command, { PORT: String(port) });
      let status = 0;
      await waitUntil(
        async () => {
          status = await fetch(`http://127.0.0.1:${port}/health`).then(
            (response) => response.status,
            () => 0,
          );
          return status !== 0;
        },
        { everyMs: 50, forMs: 15_000 },
      );
      assert.equal(status, 200);
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200, "The page is missing.");
      server.kill("SIGTERM");
      assert.deepEqual(await server.ended, { code: 0, stdout: "", stderr: "" });
    });
  }
});
