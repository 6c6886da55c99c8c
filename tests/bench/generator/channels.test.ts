import assert from "node:assert/strict";

import { runLoad } from "../../../bench/generator/broadcast/load.ts";
import { runLone } from "../../../bench/generator/channels/lone.ts";
import { runPublish } from "../../../bench/generator/channels/publish.ts";
import { runConnections } from "../../../bench/generator/connections.ts";
import { type Faults, startChannelsServer } from "./channelsServer.ts";

/** The message of each channel that has a fault. */
const FAULT_AT = 3;

const LOAD = {
  kind: "load",
  clients: 4,
  publishers: 2,
  messageBytes: 64,
  pace: { inFlight: 4 },
  idleReader: false,
  warmSeconds: 0.02,
  seconds: 0.2,
} as const;
const PUBLISH = {
  kind: "publish",
  clients: 2,
  channels: 6,
  messageBytes: 64,
  inFlight: 4,
  warmSeconds: 0.02,
  seconds: 0.2,
} as const;
const CONNECTIONS = {
  kind: "connections",
  clients: 5,
  concurrency: 2,
  ownChannels: 3,
  settleSeconds: 0,
  idleSeconds: 0.1,
} as const;

/** Replaces one frame of each channel. */
function at(
  fault: (frame: string) => readonly string[],
): (frame: string, offset: number) => readonly string[] {
  return (frame, offset) => (offset === FAULT_AT ? fault(frame) : [frame]);
}

const FAULTS: Readonly<Record<string, readonly [Faults, RegExp]>> = {
  "a message is repeated": [{ deliver: at((frame) => [frame, frame]) }, /twice|not one of the sent messages/],
  "a message is altered": [
    { deliver: at((frame) => [frame.replace('"s":', '"S":')]) },
    /not one of the sent messages/,
  ],
  "a message is on another channel": [
    { deliver: at((frame) => [frame.replace(/"channel":"[^"]*"/, '"channel":"other"')]) },
    /not one of the sent messages/,
  ],
  "an offset is missing": [
    { deliver: at((frame) => [frame.replace(`"offset":${FAULT_AT}`, `"offset":${FAULT_AT + 1}`)]) },
    /hole/,
  ],
  "an acknowledgement is repeated": [
    { acknowledge: at((frame) => [frame, frame]) },
    /twice|not one of the sent messages/,
  ],
  "an acknowledgement has another offset": [
    { acknowledge: at((frame) => [frame.replace(`"offset":${FAULT_AT}`, `"offset":${FAULT_AT + 1}`)]) },
    /wrong offset/,
  ],
};

describe("a run of the benchmark with channels.v1", () => {
  it("counts deliveries to all clients", async () => {
    await using server = await startChannelsServer({});
    const figures = await runLoad(LOAD, server.target);
    assert.ok(figures.messages >= FAULT_AT, `${figures.messages} messages`);
    assert.equal(figures.sameOrder, true);
  });

  it("counts messages of many channels", async () => {
    await using server = await startChannelsServer({});
    const figures = await runPublish(PUBLISH, server.target);
    assert.ok(figures.messages >= FAULT_AT, `${figures.messages} messages`);
  });

  it("opens connections with several channels of their own", async () => {
    await using server = await startChannelsServer({});
    assert.ok((await runConnections(CONNECTIONS, server.target)).seconds > 0);
  });

  it("measures lone messages", async function () {
    this.timeout(20_000);
    await using server = await startChannelsServer({});
    const figures = await runLone(
      { kind: "lone", channels: 3, messages: 20, messageBytes: 64, settleSeconds: 0 },
      server.target,
    );
    assert.equal(figures.messages, 20);
    assert.ok((figures.p99Ms ?? 0) >= (figures.p50Ms ?? Infinity));
  });

  for (const [what, [faults, message]] of Object.entries(FAULTS)) {
    it(`is void when ${what}`, async () => {
      await using server = await startChannelsServer(faults);
      await assert.rejects(runLoad(LOAD, server.target), { name: "VoidError", message });
      await assert.rejects(runPublish(PUBLISH, server.target), { name: /VoidError|Error/, message });
    });
  }
});
