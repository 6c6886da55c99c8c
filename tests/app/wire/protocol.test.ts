import assert from "node:assert/strict";

import fc from "fast-check";

import type { Authorizer } from "../../../app/src/auth/authorize.ts";
import { FULL_ACCESS, MAX_SUBJECT_BYTES } from "../../../app/src/auth/authorize.ts";
import { JOIN_TIMEOUT_MS } from "../../../app/src/connection/channels/pendingJoins.ts";
import { MAX_UNANSWERED } from "../../../app/src/connection/connection.ts";
import { MAX_WIRE_NAME } from "../../../app/src/wire/channelName.ts";
import { CloseCode } from "../../../app/src/wire/closeCode.ts";
import { encodeBroadcast } from "../../../app/src/wire/encode.ts";
import {
  CHANNELS_SUBPROTOCOL,
  ERROR_CODES,
  MAX_DEPTH,
  MAX_EPOCH_BYTES,
  MAX_ID_BYTES,
  MAX_LAST,
} from "../../../app/src/wire/messages.ts";
import { parseChannels } from "../../../app/src/wire/parseChannels.ts";
import { parsePlain } from "../../../app/src/wire/parsePlain.ts";
import { defaultSettings, settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { SettingDefinition } from "../../../app/src/settings/settings.ts";
import { WIRE_LIMITS } from "../../../app/src/connection/wireLimits.ts";
import { Client } from "../support/client.ts";
import { PROTOCOL, protocolTable } from "../support/protocolPage.ts";
import { startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

/** The header is the subject of the token, which expires in an hour. */
const bySubject: Authorizer = ({ authorization = "" }) =>
  Promise.resolve({
    granted: true,
    access: FULL_ACCESS,
    subject: authorization,
    expiresAt: Date.now() + 3_600_999,
  });

describe("PROTOCOL.md", () => {
  afterEach(tearDown);

  const transcripts = Array.from(
    PROTOCOL.matchAll(/^```transcript ?(\S*) ?(tokens)?\n([^]*?)^```$/gm),
    ([, protocol = "", tokens, lines = ""]) => ({
      protocol: protocol === "" ? undefined : protocol,
      hasTokens: tokens !== undefined,
      lines,
    }),
  );

  it("has transcripts of both dialects", () => {
    assert.ok(transcripts.some(({ protocol }) => protocol === undefined));
    assert.ok(transcripts.some(({ protocol }) => protocol === CHANNELS_SUBPROTOCOL));
    assert.equal(PROTOCOL.match(/^```transcript/gm)?.length, transcripts.length);
  });

  for (const { protocol, hasTokens, lines } of transcripts) {
    it(`has a correct transcript: ${protocol ?? "plain"}, ${lines.split("\n").slice(0, 2).join(" ")}`, async () => {
      const { url } = await startServer({}, hasTokens ? { authorize: bySubject } : {});
      const clients = new Map<string, Client>();
      const clientOf = (name: string): Client => {
        const client =
          clients.get(name) ??
          new Client(url, { protocol, ...(name !== "" && { headers: { authorization: name } }) });
        clients.set(name, client);
        return client;
      };
      let epoch: string | undefined;
      for (const line of lines.trimEnd().split("\n")) {
        const [, name = "", action, text = ""] = /^(?:(\w+) )?(<|>|disconnect) ?(.*)$/.exec(line) ?? [];
        const expected = epoch === undefined ? text : text.replaceAll('"EPOCH"', JSON.stringify(epoch));
        switch (action) {
          case ">":
            clientOf(name).webSocket.send(expected);
            break;
          case "<": {
            const received = await clientOf(name).next();
            // The first message with an epoch shows it.
            epoch ??= /"epoch":"([^"]+)"/.exec(received)?.[1];
            assert.equal(received, epoch === undefined ? text : text.replaceAll("EPOCH", epoch));
            break;
          }
          case "disconnect":
            clientOf(name).webSocket.terminate();
            clients.delete(name);
            break;
          case undefined:
          default:
            assert.fail(`an unknown line of a transcript: ${line}`);
        }
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
      /^(HOST|PORT|WEBSOCKET_(ACCESS|API_KEYS|CACHE|RETENTION$|TRUSTED_PROXIES|VALKEY|METRICS|JW|LOG_LEVEL|SERVICE_NAME).*)$/;
    const defaults = Object.values<SettingDefinition>(settingDefinitions)
      .filter(({ variable }) => !ofOperators.test(variable))
      .map(({ variable, default: value }) => [
        variable,
        typeof value === "object" ? "everyone" : String(value),
      ]);
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
    ["Bytes of an epoch", MAX_EPOCH_BYTES],
    ["Bytes of a token's subject", MAX_SUBJECT_BYTES],
    ["Retained messages with which a subscription starts", MAX_LAST],
    ["Characters of a channel's name; plain", MAX_WIRE_NAME],
    ["Seconds for which a subscribe waits for the store", JOIN_TIMEOUT_MS / 1000],
    ["Requests of one connection whose answers it has not read yet", MAX_UNANSWERED],
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
    const envelope = encodeBroadcast("channels", {
      channel: "x".repeat(MAX_WIRE_NAME),
      offset: Number.MAX_SAFE_INTEGER,
      payload: "",
      // No other character is longer in JSON.
      from: "\0".repeat(MAX_SUBJECT_BYTES),
    }).length;
    assert.ok(envelope <= 2048);
    assert.ok(PROTOCOL.includes("`WEBSOCKET_MAX_PAYLOAD_BYTES` + 2048 bytes"));
    assert.ok(PROTOCOL.includes(`${maxPayloadBytes + 2048} bytes`));
  });
});

describe("a client's message", () => {
  const MAX_BYTES = 100;
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const parsed = (text: string): ReturnType<typeof parseChannels> => parseChannels(text, MAX_BYTES);

  for (const [text, json, id] of [
    ['{"publish":1,"channel":"c"}', "1", undefined],
    [' {"id" : "a" ,"channel":"c","publish":  [1.0, {"b":2, "b":3}]} ', '[1,{"b":3}]', "a"],
    ['{"publish":null,"channel":"c","id":"é","more":true}', "null", "é"],
    ['{"channel":"c","publish":{"publish":1},"id":"1","id":"2"}', '{"publish":1}', "2"],
    [`{"channel":"c","publish":1,"id":"${"é".repeat(MAX_ID_BYTES / 2)}"}`, "1", "é".repeat(MAX_ID_BYTES / 2)],
    ['{"channel":"c","publish":1,"id":"\\ud83d\\ude00"}', "1", "😀"],
    ['{"publish": 9007199254740992,"channel":"c"}', "9007199254740992", undefined],
    [`{"publish":"${"x".repeat(MAX_BYTES - 2)}","channel":"c"}`, `"${"x".repeat(MAX_BYTES - 2)}"`, undefined],
  ] as const) {
    it(`is published: ${text.slice(0, 60)}`, () => {
      assert.deepEqual(parsed(text), {
        kind: "publish",
        channel: "c",
        json,
        ...(id !== undefined && { id }),
      });
    });
  }

  for (const [text, code, about] of [
    ["", "invalid_json", undefined],
    ['{"publish":1', "invalid_json", undefined],
    ["null", "invalid_message", undefined],
    ["[]", "invalid_message", undefined],
    ['["publish"]', "invalid_message", undefined],
    ['{"Publish":1,"channel":"c"}', "invalid_message", undefined],
    ['{"__proto__":{"publish":1}}', "invalid_message", undefined],
    ['{"publish":1}', "invalid_message", undefined],
    ['{"publish":1,"id":"a"}', "invalid_message", { id: "a" }],
    ['{"publish":1,"channel":"c","id":""}', "invalid_message", { channel: "c" }],
    ['{"publish":1,"channel":"c","id":7}', "invalid_message", { channel: "c" }],
    ['{"publish":1,"channel":"c","id":null}', "invalid_message", { channel: "c" }],
    [
      `{"publish":1,"channel":"c","id":"${"é".repeat(MAX_ID_BYTES / 2)}x"}`,
      "invalid_message",
      { channel: "c" },
    ],
    // A store replaces ill-formed Unicode, which could make two ids equal.
    ['{"publish":1,"channel":"c","id":"\\ud800"}', "invalid_message", { channel: "c" }],
    ['{"publish":1,"channel":"c/","id":"a"}', "invalid_channel", { channel: "c/", id: "a" }],
    [
      `{"publish":"${"x".repeat(MAX_BYTES - 1)}","channel":"c","id":"a"}`,
      "too_large",
      { channel: "c", id: "a" },
    ],
    // Of fewer bytes as it is sent, and of fewer characters in canonical form.
    [`{"publish":["${"é".repeat(40)}",1e20],"channel":"c"}`, "too_large", { channel: "c" }],
    [`{"publish":${nested(MAX_DEPTH + 1)},"channel":"c","id":"a"}`, "too_deep", { channel: "c", id: "a" }],
    [`{"publish":${nested(20_000)}, "channel" : "\\u0063" }\n`, "too_deep", { channel: "c" }],
    [`{"publish":${nested(20_000)},"channel":"${"c".repeat(1000)}","id":"a"}`, "too_deep", { id: "a" }],
    [`{"publish":${nested(20_000)},"channel":"c","id":""}`, "too_deep", { channel: "c" }],
    [`{"publish":${nested(20_000)}, "id": "\\u0061" }\n`, "too_deep", { id: "a" }],
    [`{"id":"a","publish":${nested(20_000)}}`, "too_deep", undefined],
    ['{"publish":9007199254740993,"channel":"c","id":"a"}', "unsafe_number", { channel: "c", id: "a" }],
    ['{"publish":9007199254740992.5,"channel":"c"}', "unsafe_number", { channel: "c" }],
    ['{"id":"a","publish":[1e400],"channel":"c"}', "unsafe_number", { channel: "c", id: "a" }],
  ] as const) {
    it(`is refused as ${code}: ${text.slice(0, 60)}`, () => {
      const message = parsed(text);
      assert.ok(message.kind === "invalid");
      const { message: description, ...error } = message.error;
      assert.deepEqual(error, { code, ...about });
      assert.ok(description.length > 0);
    });
  }

  it("is refused with exactly the codes that PROTOCOL.md lists", () => {
    const listed = protocolTable("Errors").map(([code]) => code);
    assert.deepEqual(listed, ERROR_CODES);
  });

  it("is delivered as JSON.stringify({ message: JSON.parse(text) }) in both dialects", () => {
    const notCanonical = [
      ...[' { "a" : 1 ,\n "a" : 2 } ', '{"__proto__":{"x":1},"constructor":0}', "1E5", "-0", "0.1000"],
      ...['"\\ud800 \\u00e9 é \\/ \\u2028"', '"\\n\\t"'],
    ];
    const text = fc.oneof(fc.json({ stringUnit: "binary" }), fc.constantFrom(...notCanonical));
    fc.assert(
      fc.property(text, fc.nat(), (source, offset) => {
        const message = parsePlain(source, Infinity);
        assert.ok(message.kind === "value");
        const value: unknown = JSON.parse(source);
        const broadcast = { channel: "c", offset, payload: message.json, from: "alice" };
        assert.equal(encodeBroadcast("plain", broadcast), JSON.stringify({ message: value }));
        assert.equal(
          encodeBroadcast("channels", broadcast),
          JSON.stringify({ channel: "c", offset, message: value, from: "alice" }),
        );
      }),
    );
  });
});
