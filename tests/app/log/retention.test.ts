import assert from "node:assert/strict";

import fc from "fast-check";
import { pino } from "pino";

import { openBackplane } from "../../../app/src/backplane.ts";
import { createRetention } from "../../../app/src/log/retention.ts";
import { matchesChannel } from "../../../app/src/settings/channelPattern.ts";
import { Metrics } from "../../../app/src/metrics/metrics.ts";
import { readText } from "../../../app/src/settings/reading.ts";
import { defaultSettings, settingDefinitions } from "../../../app/src/settings/settings.ts";
import { isChannelName } from "../../../app/src/wire/channelName.ts";

const isPattern = (text: string): boolean =>
  "value" in readText(settingDefinitions.retention, JSON.stringify([{ channels: text }]));

describe("the retention of a channel", () => {
  const settings = { retainedMessages: 1000, retainedBytes: 2_000_000, retainedSeconds: 300 };

  it("is that of the first rule that includes the channel, or that of all channels", () => {
    const retentionOf = createRetention({
      ...settings,
      retention: [
        { channels: "user.admin", seconds: 3600 },
        { channels: "user.*", messages: 100, seconds: 60 },
        { channels: "/", bytes: 500_000 },
        { channels: "user.never", messages: 7000 },
        { channels: "audit", messages: 200, bytes: 300_000, seconds: 20 },
      ],
    });
    const cases = [
      ["user.admin", { ...settings, retainedSeconds: 3600 }],
      ["user.7", { ...settings, retainedMessages: 100, retainedSeconds: 60 }],
      ["user.", { ...settings, retainedMessages: 100, retainedSeconds: 60 }],
      ["user.never", { ...settings, retainedMessages: 100, retainedSeconds: 60 }],
      ["", { ...settings, retainedBytes: 500_000 }],
      ["audit", { retainedMessages: 200, retainedBytes: 300_000, retainedSeconds: 20 }],
      ["audits", settings],
      ["user", settings],
    ] as const;
    for (const [channel, retention] of cases) assert.deepEqual(retentionOf(channel), retention, channel);
    assert.equal(retentionOf("user.1"), retentionOf("user.2"));
    assert.equal(retentionOf("a"), retentionOf("b"));
  });

  it("is that of all channels without a rule", () => {
    const { retainedMessages, retainedBytes, retainedSeconds } = defaultSettings();
    assert.deepEqual(createRetention(defaultSettings())("room"), {
      retainedMessages,
      retainedBytes,
      retainedSeconds,
    });
  });
});

describe("the log of a server", () => {
  it("retains the messages that the rules of its settings name", async () => {
    const settings = { ...defaultSettings(), retention: [{ channels: "short.*", messages: 100 }] };
    const { log } = await openBackplane(settings, new Metrics(), pino({ level: "silent" }));
    try {
      for (const channel of ["short.1", "long"]) {
        let epoch = "";
        for (let n = 0; n < 3000; n++) ({ epoch } = await log.append({ channel, record: "{}" }));
        const { from } = await log.read(channel, { epoch, next: 1 }, 1000);
        assert.equal(from.next > 1, channel === "short.1");
      }
    } finally {
      await log.close();
    }
  });
});

describe("a pattern of channels", () => {
  it("is the name of a channel, a prefix, or the name of the default channel", () => {
    for (const text of ["room", "room.*", "*", "/", "a".repeat(64), `${"a".repeat(64)}*`, "..*"])
      assert.ok(isPattern(text), text);
    for (const text of [
      "",
      ".",
      "..",
      "/*",
      "a/b",
      "*a",
      "a**",
      "a b",
      "a".repeat(65),
      `${"a".repeat(65)}*`,
      "é",
    ])
      assert.ok(!isPattern(text), text);
  });

  it("without a wildcard includes exactly the channel with this name", () => {
    const texts = fc.string({ unit: fc.constantFrom("a", ".", "~", "-", "_", "/", "é", " "), maxLength: 4 });
    fc.assert(
      fc.property(texts, (text) => {
        assert.equal(isPattern(text), isChannelName(text) || text === "/");
        assert.ok(matchesChannel(text, text) || text === "");
        assert.ok(!matchesChannel(text, `${text}a`));
      }),
    );
  });
});
