import assert from "node:assert/strict";

import { UsageError } from "../../cli/options.ts";
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
      rate: 20,
      concurrency: 50,
      total: 10_000_000,
      insecure: false,
      json: false,
    });
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

  const wrong: readonly (readonly [string, ...RegExp[]])[] = [
    ["", /URL is missing/],
    ["https://h/wss", /did you mean wss:\/\/h\/wss\?/],
    ["http://h/wss", /did you mean ws:\/\/h\/wss\?/],
    ["localhost:8443/wss", /did you mean wss:\/\/localhost:8443\/wss\?/],
    ["wsss://h/wss", /did you mean wss:\/\/h\/wss\?/],
    ["wss://h:99999/", /is not a URL/],
    ["wss://h/#part", /fragment/],
    ["wss://h/ wss://g/", /one URL is enough/],
    ["wss://h/ --ratee 5", /^--ratee is not an option; did you mean --rate\?$/],
    [
      "wss://h/ --rate 0",
      /^`--rate`: got "0"; expected a whole number of connections a second from 1 to 5000/,
    ],
    ["wss://h/ --duration 3601", /from 1 to 3600/],
    ["wss://h/ --duration", /^--duration needs a value\.$/],
    ["wss://h/ --mode sustaind", /did you mean sustained\?/],
    ["wss://h/ --connections 5", /--connections is not an option of --mode churn/],
    ["wss://h/ --mode sustained --concurrency 5", /--concurrency is not an option of --mode sustained/],
    ["https://h/ --rate x --total 0", /`--rate`: got "x"/, /`--total`: got "0"/, /did you mean wss/],
  ];

  it("are reported if they are wrong, all at once", () => {
    for (const [line, ...expected] of wrong) {
      assert.throws(
        () => parseOptions(line === "" ? [] : line.split(" ")),
        (error) => {
          assert(error instanceof UsageError);
          assert.equal(error.problems.length, expected.length, error.message);
          for (const [index, pattern] of expected.entries())
            assert.match(error.problems[index] ?? "", pattern);
          return true;
        },
      );
    }
  });
});
