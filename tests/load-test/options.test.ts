import assert from "node:assert/strict";

import { parseOptions } from "../../load-test/options.ts";

describe("the options of the load test", () => {
  it("default to 30 seconds of churn", () => {
    const options = parseOptions(["wss://example.com/wss"]);
    assert(options?.mode === "churn");
    const { url, ...rest } = options;
    assert.equal(url.href, "wss://example.com/wss");
    assert.deepEqual(rest, {
      mode: "churn",
      duration: 30,
      timeout: 10,
      channel: "/",
      token: undefined,
      channels: 1,
      subscriptions: 1,
      rate: 20,
      concurrency: 50,
      total: 10_000_000,
      insecure: false,
      json: false,
      record: undefined,
    });
  });

  it("have a token of the environment, which --token replaces, and which no problem contains", () => {
    const tokenOf = (args: string, TOKEN?: string): string | undefined =>
      parseOptions(["wss://h/", ...args.split(" ").filter((arg) => arg !== "")], { TOKEN })?.token;
    assert.deepEqual(
      [tokenOf(""), tokenOf("", ""), tokenOf("", "a.b.c"), tokenOf("--token d.e.f", "a.b.c")],
      [undefined, undefined, "a.b.c", "d.e.f"],
    );
    for (const [args, variable] of [
      ["", "a.b.c d"],
      ["--token secret", undefined],
    ] as const) {
      assert.throws(() => tokenOf(args, variable), {
        message:
          "`--token`: got [secret]; expected a token of letters, digits, '-', '_' and '.', also in TOKEN.",
      });
    }
  });

  it("have any order", () => {
    const options = parseOptions(
      "--mode sustained --connections=7 --json ws://[::1]:1/x --rate 3 --insecure".split(" "),
    );
    assert(options?.mode === "sustained");
    assert.deepEqual(
      [options.connections, options.rate, options.json, options.insecure, options.url.host],
      [7, 3, true, true, "[::1]:1"],
    );
  });

  it("are reported if they are wrong, all at once", () => {
    const cases: readonly (readonly [line: string, ...problems: string[]])[] = [
      ["", "`URL`: got nothing; expected a WebSocket URL, such as"],
      ["https://h/wss", '`URL`: got "https://h/wss"; expected a WebSocket URL (did you mean wss://h/wss?)'],
      ["http://h/wss", '`URL`: got "http://h/wss"; expected a WebSocket URL (did you mean ws://h/wss?)'],
      [
        "localhost:1/wss",
        '`URL`: got "localhost:1/wss"; expected a WebSocket URL (did you mean wss://localhost:1/wss?)',
      ],
      ["wsss://h/wss", '`URL`: got "wsss://h/wss"; expected a WebSocket URL (did you mean wss://h/wss?)'],
      ["wss://h:99999/", '`URL`: got "wss://h:99999/"; expected a URL'],
      ["wss://h/#part", '`URL`: got "wss://h/#part"; expected a URL without a fragment'],
      ["wss://h/ wss://g/", "`URL`: got 2 of them; expected one"],
      [
        "wss://h/ --rate 0",
        '`--rate`: got "0"; expected a whole number of connections a second from 1 to 5000',
      ],
      [
        "wss://h/ --mode sustaind",
        '`--mode`: got "sustaind"; expected a known mode (did you mean sustained?)',
      ],
      [
        "wss://h/ --connections 5",
        "`--connections`: got an option of another mode; expected an option of --mode churn",
      ],
      ["wss://h/ --channel a/b", '`--channel`: got "a/b"; expected 1 to 64 letters'],
      [`wss://h/ --channels 10 --channel ${"x".repeat(62)}`, '`--channel`: got "xxx'],
      [
        "wss://h/ --channels 2 --subscriptions 3",
        "`--subscriptions`: got 3; expected at most the number of --channels, 2",
      ],
      ["https://h/ --rate x --total 0", "`--rate`: got", "`--total`: got", "`URL`: got"],
    ];
    for (const [line, ...expected] of cases) {
      assert.throws(
        () => parseOptions(line === "" ? [] : line.split(" ")),
        ({ message }: Error) => {
          const lines = message.split("\n");
          assert.equal(lines.length, expected.length, message);
          for (const [index, start] of expected.entries())
            assert.ok(lines[index]?.startsWith(start), message);
          return true;
        },
      );
    }
  });
});
