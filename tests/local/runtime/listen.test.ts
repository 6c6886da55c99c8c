import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { listenOnLocalhost, listenPrivately } from "../../../local/runtime/network/listen.ts";

const BURST = 2000;
const BURST_TIMEOUT_MS = 10_000;

/** Opens connections while the thread that should accept them is blocked, and reports when the system has accepted all. */
const CLIENT = `
  const { workerData } = require("node:worker_threads");
  const { connect } = require("node:net");
  const { port, burst, connected } = workerData;
  for (let n = 0; n < burst; n++) {
    const socket = connect(port, "127.0.0.1", () => {
      if (Atomics.add(connected, 0, 1) + 1 === burst) Atomics.notify(connected, 0);
    });
    socket.on("error", () => undefined);
  }
`;

describe("listening", () => {
  it(`accepts a burst of ${BURST} connections while the process is busy`, async function () {
    this.timeout(2 * BURST_TIMEOUT_MS);
    // The system's maximum. Systems other than Linux do not report it here, and have a lower one.
    const maximum = await readFile("/proc/sys/net/core/somaxconn", "utf8").catch(() => "0");
    if (Number(maximum) < BURST) this.skip();
    const listening = await listenOnLocalhost(() => createServer(), {
      name: "test",
      port: 0,
      option: "--port",
    });
    const connected = new Int32Array(new SharedArrayBuffer(8));
    const workerData = { port: listening.address.port, burst: BURST, connected };
    const client = new Worker(CLIENT, { eval: true, workerData });
    try {
      await once(client, "online");
      const deadline = performance.now() + BURST_TIMEOUT_MS;
      // This thread is blocked, and accepts nothing.
      for (let count = 0; count < BURST; count = Atomics.load(connected, 0)) {
        const rest = deadline - performance.now();
        assert.ok(rest > 0, `the system accepted ${count} of ${BURST} connections`);
        Atomics.wait(connected, 0, count, rest);
      }
    } finally {
      await client.terminate();
      await listening.close();
    }
  });

  describe("at a private socket", () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "listen-"));
    });

    afterEach(() => rm(folder, { recursive: true }));

    it("uses the next temporary folder if the first one is too long, or missing", async () => {
      const long = path.join(folder, "n".repeat(100));
      await mkdir(long);
      for (const unsuitable of [long, path.join(folder, "missing")]) {
        const listening = await listenPrivately(() => createServer(), [unsuitable, folder]);
        const { address } = listening;
        assert.ok("socketPath" in address);
        assert.equal(path.dirname(path.dirname(address.socketPath)), folder);
        const socket = connect(address.socketPath);
        await once(socket, "connect");
        await listening.close();
        assert.deepEqual(await readdir(folder), [path.basename(long)]);
      }
      assert.deepEqual(await readdir(long), []);
    });

    it("names TMPDIR if no folder is suitable", async () => {
      const missing = path.join(folder, "missing");
      await assert.rejects(
        listenPrivately(() => createServer(), [missing]),
        {
          message:
            `\`TMPDIR\`: got "${missing}"; expected a folder that this user may write to, with a path of at most ` +
            `${process.platform === "linux" ? 81 : 77} bytes. Fix: \`TMPDIR=/tmp npm start\``,
        },
      );
    });

    it("leaves no folder behind if the server cannot listen", async () => {
      const listening = createServer().listen(0, "127.0.0.1");
      await once(listening, "listening");
      await assert.rejects(listenPrivately(() => listening, [folder]));
      listening.close();
      assert.deepEqual(await readdir(folder), []);
    });
  });
});
