import assert from "node:assert/strict";

import fc from "fast-check";

import { OriginCheck } from "../../../app/src/http/origins.ts";
import { canonicalOrigin } from "../../../app/src/settings/urls.ts";
import { connect } from "../support/client.ts";
import { recordLog } from "../support/logLines.ts";
import { exchange, upgradeRequest } from "../support/rawClient.ts";
import { startServer } from "../support/server.ts";
import { silent, tearDown } from "../support/teardown.ts";

function isAllowed(origin: string, ...patterns: readonly string[]): boolean {
  return new OriginCheck(patterns, silent).check(origin) === undefined;
}

describe("an allowed origin", () => {
  afterEach(tearDown);

  for (const [pattern, allowed, refused] of [
    [
      "https://*.example.com",
      ["https://app.example.com", "https://a-1.example.com"],
      [
        "https://example.com",
        "https://a.b.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil.example/.example.com",
        "https://evilexample.com",
        "https://user@app.example.com",
        "https://.example.com",
      ],
    ],
    ["HTTP://*.Example.com:8080", ["http://a.example.com:8080"], ["http://a.example.com"]],
    ["https://App.example.com:443", ["https://app.example.com"], ["https://a.example.com"]],
    ["https://*.bücher.example", ["https://a.xn--bcher-kva.example"], ["https://xn--bcher-kva.example"]],
    ["http://[::1]:3000", ["http://[::1]:3000"], ["http://[::1]"]],
    ["capacitor://localhost", ["capacitor://localhost"], ["capacitor://other", "https://localhost"]],
    ["tauri://localhost", ["tauri://localhost"], ["null"]],
    ["chrome-extension://abcdefgh", ["chrome-extension://abcdefgh"], ["chrome-extension://abc"]],
    ["app://.", ["app://."], []],
    ["file://", ["file://"], ["null"]],
    ["null", ["null"], ["https://null", ""]],
  ] as const) {
    it(`matches ${pattern}`, () => {
      for (const origin of allowed) assert.ok(isAllowed(origin, pattern), origin);
      for (const origin of refused) assert.ok(!isAllowed(origin, pattern), origin);
    });
  }

  it("is any origin, or none, if the list is empty", () => {
    assert.ok(isAllowed("https://anything.example"));
    assert.equal(new OriginCheck(["https://a.example"], silent).check(undefined), undefined);
  });

  it("is every listed origin", () => {
    fc.assert(
      fc.property(fc.webUrl({ validSchemes: ["http", "https"], withFragments: false }), (url) => {
        const { origin } = new URL(url);
        assert.ok(isAllowed(origin, origin));
        assert.equal(canonicalOrigin(origin), origin);
      }),
    );
  });

  for (const text of [
    "https://*",
    "https://*.",
    "https://*example.com",
    "https://a.*.example.com",
    "https://*.*.example.com",
    "https://*.:80",
    "https://*.[::1]",
    "https://a.example:99999",
    "https://a.example/",
    "https://user@a.example",
    "https://a.example?x",
    "https://",
    "capacitor://",
    "a.example",
    "*",
    "NULL",
    "",
  ]) {
    it(`cannot be written as ${JSON.stringify(text)}`, () => {
      assert.equal(canonicalOrigin(text), undefined);
    });
  }
});

describe("a refused origin", () => {
  afterEach(tearDown);

  it("is answered with the reason, and the others are accepted", async () => {
    const { address, url } = await startServer({ allowedOrigins: ["https://a.example"] });
    await connect(url, { origin: "https://a.example" });
    await connect(url);
    const answer = await exchange(address.port, upgradeRequest("/wss", ["Origin: https://b.example"]));
    assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/);
    assert.match(answer, /\r\n\r\nThe origin "https:\/\/b\.example" is not allowed\.$/);
  });

  it("is logged once, and truncated", () => {
    const { logger, lines } = recordLog("warn");
    const check = new OriginCheck(["https://a.example"], logger);
    for (let n = 0; n < 3; n++) check.check("https://b.example");
    check.check(`https://${"c".repeat(10_000)}`);
    assert.deepEqual(
      lines.map(({ origin }) => String(origin).length),
      ["https://b.example".length, 200],
    );
  });

  it("is counted instead of logged if there are many different ones", () => {
    const { logger, lines } = recordLog("warn");
    let time = 0;
    const check = new OriginCheck(["https://a.example"], logger, () => time);
    for (let n = 0; n < 1000; n++) check.check(`https://b${n}.example`);
    assert.equal(lines.filter(({ origin }) => origin !== undefined).length, 20);
    assert.deepEqual(
      lines.flatMap(({ refused }) => refused ?? []),
      [1],
    );
    time = 600_000;
    check.check("https://c.example");
    assert.equal(lines.at(-1)?.["refused"], 980);
    assert.equal(lines.length, 22);
  });
});
