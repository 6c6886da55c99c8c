import assert from "node:assert/strict";

import { partitionOf, PARTITIONS } from "../../../app/src/log/valkey/connection/partitions.ts";
import { FollowedChannel } from "../../../app/src/log/valkey/follow/followedChannel.ts";
import type { ValkeyNodes } from "../../../app/src/log/valkey/connection/valkeyNodes.ts";
import { ValkeyChannels } from "../../../app/src/log/valkey/valkeyChannels.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { silent } from "../support/teardown.ts";

const TIMEOUT_SECONDS = 5;
const retention = defaultSettings();
const { retainedSeconds } = retention;

describe("the state of channels in Valkey that a task does not read", () => {
  const names = Array.from({ length: 100_000 }, (_, n) => `channel-${n}`);
  let channels: ValkeyChannels;

  beforeEach(() => {
    channels = new ValkeyChannels({
      retentionOf: () => retention,
      task: "task",
      budgetBytes: 0,
      timeoutSeconds: TIMEOUT_SECONDS,
      // No channel is opened.
      nodes: Object.create(null) as ValkeyNodes,
      onOpened: () => undefined,
      logger: silent,
    });
  });

  /** Uses channels so many seconds ago. */
  function use(used: readonly string[], secondsAgo: number): void {
    for (const name of used)
      channels.get(name).usedAtSeconds = Math.floor(performance.now() / 1000) - secondsAgo;
  }

  function keptOf(used: readonly string[]): readonly string[] {
    for (let partition = 0; partition < PARTITIONS; partition++) channels.forgetUnused(partition);
    return used.filter((name) => channels.find(partitionOf(name), name) !== undefined);
  }

  it("is dropped after the retention time", () => {
    const [old, recent] = [names.slice(0, 1000), names.slice(1000, 2000)];
    use(old, retainedSeconds + 2);
    use(recent, retainedSeconds - 2);
    assert.deepEqual(keptOf([...old, ...recent]), recent);
  });

  it("is limited in number, and the channels that were used first are dropped first", () => {
    const [old, recent] = [names.slice(0, 90_000), names.slice(90_000)];
    use(old, TIMEOUT_SECONDS + 10);
    use(recent, TIMEOUT_SECONDS + 5);
    const kept = keptOf(names);
    assert.ok(kept.length <= 64 * 1024, `${kept.length} channels`);
    assert.equal(keptOf(recent).length, recent.length);
  });

  it("is kept while a command can be under way, and for the channels that the task reads", () => {
    const [used, read] = [names.slice(0, 80_000), names.slice(80_000)];
    use(used, 0);
    use(read, retainedSeconds + 2);
    for (const name of read) {
      const channel = channels.get(name);
      channel.followed = new FollowedChannel(channel);
      channel.usedAtSeconds = 0;
    }
    assert.equal(keptOf(names).length, names.length);
  });
});
