/** Published messages that do not arrive. The entries are in the stream, and must be delivered from there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

import { addressAt } from "../../support/valkey.ts";
import { recordLog } from "../support/logLines.ts";
import { afterwards } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { finishPublishing, Publisher } from "./publisher.ts";
import { channel, follow, STREAM_KEY, useValkey } from "./valkeyFixture.ts";

/** Start of a message of sharded pub/sub in RESP2. */
const MESSAGE_START = "*3\r\n$8\r\nsmessage";

describe("the Valkey log without some messages", () => {
  const valkey = useValkey();

  /** Stores an entry that no message announces. */
  const storeSilently = (epoch: string, record: string): Promise<unknown> =>
    valkey.server.command("XADD", STREAM_KEY, `${epoch}-*`, "-silent", record);

  it("delivers an entry without a message before the entry of the next message", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const { epoch } = await log.append({ channel, record: "1" });
    await reader.length(1);
    await storeSilently(epoch, "2");
    await storeSilently(epoch, "3");
    await log.append({ channel, record: "4" });
    await reader.length(4);
    assert.deepEqual([reader.records, reader.starts], [["1", "2", "3", "4"], 1]);
  });

  it("delivers an entry without a message by itself, when it verifies the channel", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const { epoch } = await log.append({ channel, record: "1" });
    await reader.length(1);
    await storeSilently(epoch, "2");
    await reader.length(2);
    assert.deepEqual([reader.records, reader.starts], [["1", "2"], 1]);
  });

  it("delivers its own entry soon if the message was lost, and subscribes again", async () => {
    const proxy = await startDroppingProxy(valkey.server.port);
    const { logger, messages } = recordLog();
    const log = valkey.open({ url: addressAt(proxy.port).url, logger });
    const reader = await follow(log);
    await log.append({ channel, record: "1" });
    await reader.length(1);
    proxy.isDropping = true;
    await log.append({ channel, record: "2" });
    await reader.length(2);
    const subscriptions = (): Promise<number> => callsOf("ssubscribe");
    const before = await subscriptions();
    await waitUntil(async () => (await subscriptions()) > before);
    proxy.isDropping = false;
    await log.append({ channel, record: "3" });
    await reader.length(3);
    assert.deepEqual([reader.records, reader.starts], [["1", "2", "3"], 1]);
    assert.deepEqual(messages(), ["messages of Valkey were lost, and were read from the log"]);
  });

  it("loses and doubles no message if every third message is lost", async () => {
    const proxy = await startDroppingProxy(valkey.server.port, 3);
    proxy.isDropping = true;
    const log = valkey.open({ url: addressAt(proxy.port).url });
    const reader = await follow(log);
    const publishers = [log, valkey.open()].map((to, n) => new Publisher(to, channel, `p${n}-`));
    const publishing = publishers.map((publisher) => publisher.publishUntilStopped());
    for (let n = 0; n < 20; n++) await Promise.all(publishers.map((publisher) => publisher.progress()));
    await finishPublishing({ log, channel, publishers, publishing, readers: [reader] });
  });

  it("loses and doubles no message if only the connection for subscriptions is cut", async () => {
    const logs = [valkey.open(), valkey.open()];
    const readers = await Promise.all(logs.map((log) => follow(log)));
    const publishers = logs.map((log, n) => new Publisher(log, channel, `p${n}-`));
    const publishing = publishers.map((publisher) => publisher.publishUntilStopped());
    for (let n = 0; n < 5; n++) {
      await valkey.server.command("CLIENT", "KILL", "TYPE", "pubsub");
      await Promise.all(publishers.map((publisher) => publisher.progress()));
    }
    await finishPublishing({ log: logs[0] ?? assert.fail(), channel, publishers, publishing, readers });
  });

  async function callsOf(command: string): Promise<number> {
    const stats = String(await valkey.server.command("INFO", "commandstats"));
    return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(stats)?.[1] ?? 0);
  }
});

interface DroppingProxy {
  readonly port: number;
  /** Whether it drops messages. */
  isDropping: boolean;
}

/** Starts a proxy that can drop chunks that begin with a published message. @param every drops one chunk of so many. */
async function startDroppingProxy(to: number, every = 1): Promise<DroppingProxy> {
  const sockets = new Set<Socket>();
  let chunks = 0;
  const server = createServer((inner) => {
    const outer = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
    inner.pipe(outer);
    outer.on("data", (chunk: Buffer) => {
      // A chunk with a part of a message would leave the other part.
      const isMessage = chunk.toString("latin1").startsWith(MESSAGE_START) && chunk.length < 4096;
      if (isMessage && proxy.isDropping && ++chunks % every === 0) return;
      inner.write(chunk);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: DroppingProxy = { port: (server.address() as AddressInfo).port, isDropping: false };
  afterwards(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return proxy;
}
