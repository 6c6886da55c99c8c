import assert from "node:assert/strict";

import fc from "fast-check";

import { CloseCode } from "../../../app/src/wire/closeCode.ts";
import { encodeBroadcast, decodeBroadcast } from "../../../app/src/wire/encode.ts";
import { MAX_DEPTH, MAX_ID_BYTES } from "../../../app/src/wire/messages.ts";
import { parse } from "../../../app/src/wire/parse.ts";
import type { ErrorCode } from "../../../app/src/wire/messages.ts";
import { defaultSettings, settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { SettingDefinition } from "../../../app/src/settings/settings.ts";
import { WIRE_LIMITS } from "../../../app/src/connection/wireLimits.ts";
import { Client, isGreeting } from "../support/client.ts";
import { PROTOCOL, protocolTable } from "../support/protocolPage.ts";
import { startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

describe("PROTOCOL.md", () => {
  afterEach(tearDown);

  const transcripts = Array.from(
    PROTOCOL.matchAll(/^```transcript ?(.*)\n([^]*?)^```$/gm),
    ([, protocol, lines]) => ({ protocol: protocol === "" ? undefined : protocol, lines: lines ?? "" }),
  );

  it("has transcripts of both dialects", () => {
    assert.ok(transcripts.some(({ protocol }) => protocol === undefined));
    assert.ok(transcripts.some(({ protocol }) => protocol === "resume.v1"));
    assert.equal(PROTOCOL.match(/^```transcript/gm)?.length, transcripts.length);
  });

  for (const { protocol, lines } of transcripts) {
    it(`has a correct transcript: ${protocol ?? "plain"}, ${lines.split("\n").slice(0, 2).join(" ")}`, async () => {
      const { url } = await startServer();
      // The first greeting has the epoch.
      const probe = new Client(url, { protocol: "resume.v1" });
      const greeting = await probe.nextValue();
      assert.ok(isGreeting(greeting));
      const known = (line: string): string => line.replaceAll("EPOCH", greeting.epoch);

      let client: Client | undefined;
      for (const line of lines.trimEnd().split("\n")) {
        const [, direction, rest = ""] = /^(<|>|reconnect) (.*)$/.exec(line) ?? [];
        if (direction === "reconnect") {
          client?.webSocket.terminate();
          client = new Client(url + known(rest), { protocol });
          continue;
        }
        client ??= new Client(url, { protocol });
        if (direction === ">") client.webSocket.send(known(rest));
        else if (direction === "<") assert.equal(await client.next(), known(rest));
        else assert.fail(`an unknown line of a transcript: ${line}`);
      }
    });
  }

  it("lists exactly the close codes of the server", () => {
    const codes = protocolTable("Closing").map(([code]) => Number(code));
    assert.deepEqual(codes, Object.values(CloseCode));
  });

  const limits = protocolTable("Limits");

  it("lists every setting that limits clients, with its default", () => {
    const named = limits.filter(([variable]) => variable !== "");
    const ofOperators =
      /^(HOST|PORT|WEBSOCKET_(ACCESS|TRUSTED_PROXIES|VALKEY|METRICS|JW|LOG_LEVEL|SERVICE_NAME).*)$/;
    const defaults = Object.values<SettingDefinition>(settingDefinitions)
      .filter(({ variable }) => !ofOperators.test(variable))
      .map(({ variable, default: value }) => [variable, Array.isArray(value) ? "everyone" : String(value)]);
    assert.deepEqual(
      named
        .filter(([, value]) => value !== "")
        .map(([variable, value]) => [variable, value])
        .toSorted(),
      defaults.toSorted(),
    );
  });

  for (const [what, expected] of [
    ["Bytes of an id", MAX_ID_BYTES],
    ["Arrays and objects of a value inside one another", MAX_DEPTH],
    ["Seconds from the first byte of a message to its last", WIRE_LIMITS.messageTimeoutMs / 1000],
    ["Seconds in which a client must read what waits for it", WIRE_LIMITS.writeTimeoutMs / 1000],
  ] as const) {
    it(`lists the limit: ${what}`, () => {
      const [, value] = limits.find(([, , limit]) => limit === what) ?? [];
      assert.equal(Number(value), expected);
    });
  }

  it("states the time for the headers of a request", () => {
    const { requestTimeoutMs } = WIRE_LIMITS;
    assert.ok(PROTOCOL.includes(`The headers did not arrive within ${requestTimeoutMs / 1000} seconds`));
  });

  it("states the size that a client must be able to read", () => {
    const { maxPayloadBytes } = defaultSettings();
    const envelope = encodeBroadcast("resume", {
      channel: "",
      offset: Number.MAX_SAFE_INTEGER,
      payload: "",
      from: undefined,
    }).length;
    assert.ok(PROTOCOL.includes(`\`WEBSOCKET_MAX_PAYLOAD_BYTES\` + ${envelope} bytes`));
    assert.ok(PROTOCOL.includes(`${maxPayloadBytes + envelope} bytes`));
  });
});

describe("a client's message", () => {
  const MAX_BYTES = 100;
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const parsed = (text: string): ReturnType<typeof parse> => parse(text, "resume", MAX_BYTES);

  for (const [text, json, id] of [
    ['{"publish":1}', "1", undefined],
    [' {"id" : "a" ,"publish":  [1.0, {"b":2, "b":3}]} ', '[1,{"b":3}]', "a"],
    ['{"publish":null,"id":"é","more":true}', "null", "é"],
    ['{"publish":{"publish":1},"id":"1","id":"2"}', '{"publish":1}', "2"],
    [`{"publish":1,"id":"${"é".repeat(MAX_ID_BYTES / 2)}"}`, "1", "é".repeat(MAX_ID_BYTES / 2)],
    ['{"publish":1,"id":"\\ud83d\\ude00"}', "1", "😀"],
    ['{"publish": 9007199254740992}', "9007199254740992", undefined],
    [`{"publish":"${"x".repeat(MAX_BYTES - 2)}"}`, `"${"x".repeat(MAX_BYTES - 2)}"`, undefined],
  ] as const) {
    it(`is published: ${text.slice(0, 60)}`, () => {
      assert.deepEqual(parsed(text), { kind: "publish", json, ...(id === undefined ? {} : { id }) });
    });
  }

  for (const [text, code, id] of [
    ["", "invalid_json", undefined],
    ['{"publish":1', "invalid_json", undefined],
    ["null", "invalid_message", undefined],
    ["[]", "invalid_message", undefined],
    ['["publish"]', "invalid_message", undefined],
    ['{"Publish":1}', "invalid_message", undefined],
    ['{"__proto__":{"publish":1}}', "invalid_message", undefined],
    ['{"publish":1,"id":""}', "invalid_message", undefined],
    ['{"publish":1,"id":7}', "invalid_message", undefined],
    ['{"publish":1,"id":null}', "invalid_message", undefined],
    [`{"publish":1,"id":"${"é".repeat(MAX_ID_BYTES / 2)}x"}`, "invalid_message", undefined],
    // A store replaces ill-formed Unicode, which could make two ids equal.
    ['{"publish":1,"id":"\\ud800"}', "invalid_message", undefined],
    [`{"publish":"${"x".repeat(MAX_BYTES - 1)}","id":"a"}`, "too_large", "a"],
    // Of fewer bytes as it is sent, and of fewer characters in canonical form.
    [`{"publish":["${"é".repeat(40)}",1e20]}`, "too_large", undefined],
    [`{"publish":${nested(MAX_DEPTH + 1)},"id":"a"}`, "too_deep", "a"],
    [`{"publish":${nested(20_000)}, "id": "\\u0061" }\n`, "too_deep", "a"],
    [`{"id":"a","publish":${nested(20_000)}}`, "too_deep", undefined],
    ['{"publish":9007199254740993,"id":"a"}', "unsafe_number", "a"],
    ['{"publish":9007199254740992.5}', "unsafe_number", undefined],
    ['{"id":"a","publish":[1e400]}', "unsafe_number", "a"],
  ] as const) {
    it(`is refused as ${code}: ${text.slice(0, 60)}`, () => {
      const message = parsed(text);
      assert.ok(message.kind === "invalid");
      const { message: description, ...error } = message.error;
      assert.deepEqual(error, id === undefined ? { code } : { code, id });
      assert.ok(description.length > 0);
    });
  }

  it("is refused with exactly the codes that PROTOCOL.md lists", () => {
    const listed = protocolTable('Messages[^]*?### Server: `{"error":.*').map(([code]) => code);
    assert.deepEqual(listed, [
      "invalid_json",
      "invalid_message",
      "too_deep",
      "too_large",
      "unsafe_number",
      "forbidden",
      "unavailable",
      "id_in_use",
    ] satisfies ErrorCode[]);
  });

  it("is delivered as JSON.stringify({ message: JSON.parse(text) }) in all dialects, and can be decoded", () => {
    const notCanonical = [
      ...[' { "a" : 1 ,\n "a" : 2 } ', '{"__proto__":{"x":1},"constructor":0}', "1E5", "-0", "0.1000"],
      ...['"\\ud800 \\u00e9 é \\/ \\u2028"', '"\\n\\t"'],
    ];
    const text = fc.oneof(fc.json({ stringUnit: "binary" }), fc.constantFrom(...notCanonical));
    fc.assert(
      fc.property(text, fc.nat(), (source, offset) => {
        const message = parse(source, "plain", Infinity);
        assert.ok(message.kind === "publish");
        const value: unknown = JSON.parse(source);
        for (const [dialect, expected] of [
          ["plain", { message: value }],
          ["resume", { message: value, offset }],
          ["channels", { channel: "c", offset, message: value, from: "alice" }],
        ] as const) {
          const broadcast = { channel: "c", offset, payload: message.json, from: "alice" };
          const sent = encodeBroadcast(dialect, broadcast);
          assert.equal(sent, JSON.stringify(expected));
          assert.equal(decodeBroadcast(dialect, sent).payload, message.json);
        }
      }),
    );
  });
});
