import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import type { Located } from "../../../app/src/log/valkey/follow/channelLocator.ts";
import { FollowedChannel } from "../../../app/src/log/valkey/follow/followedChannel.ts";
import { Placements } from "../../../app/src/log/valkey/follow/placements.ts";
import { ValkeyChannel } from "../../../app/src/log/valkey/valkeyChannel.ts";
import { waitUntil } from "../../support/waitUntil.ts";

/** Longer than the delay before a repetition. */
const REPEATED_MS = 250;

describe("the placements of channels", () => {
  it("request nothing after they are closed, not even if a request fails", async () => {
    const requests: PromiseWithResolvers<Located>[] = [];
    const locate = (): Promise<Located> => {
      const request = Promise.withResolvers<Located>();
      requests.push(request);
      return request.promise;
    };
    const placements = new Placements({ locator: { locate }, onLocated: () => undefined });
    const retention = { retainedMessages: 1, retainedBytes: 1, retainedSeconds: 1 };
    const channel = new ValkeyChannel("c", 0, retention);
    channel.followed = new FollowedChannel(channel);
    placements.request(channel.followed);
    await waitUntil(() => requests.length === 1);
    placements.close();
    requests[0]?.resolve([new Error("away")]);
    placements.request(channel.followed);
    await delay(REPEATED_MS);
    assert.equal(requests.length, 1);
  });
});
