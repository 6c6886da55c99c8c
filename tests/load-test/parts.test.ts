import assert from "node:assert/strict";

import { Failure, FailureTally, toFailure } from "../../load-test/parts/failures.ts";
import { LatencyHistogram } from "../../load-test/parts/histogram.ts";
import { UsageError } from "../../cli/options.ts";
import { parseOptions } from "../../load-test/options.ts";
import { pace } from "../../load-test/parts/pace.ts";
import { render, type LoadTestReport } from "../../load-test/report.ts";

describe("load test", () => {
  describe("histogram", () => {
    it("is exact to three digits for a known distribution", () => {
      const histogram = new LatencyHistogram();
      for (let milliseconds = 1; milliseconds <= 10_000; milliseconds++) histogram.record(milliseconds);
      const percentiles = histogram.percentiles();
      assert.equal(percentiles?.count, 10_000);
      const expected = { p50: 5000, p90: 9000, p99: 9900, p99_9: 9990, max: 10_000 } as const;
      for (const name of ["p50", "p90", "p99", "p99_9", "max"] as const) {
        const error = Math.abs(percentiles[name] / expected[name] - 1);
        assert(error < 0.001, `${name} is ${percentiles[name]}`);
      }
    });

    it("has a range from a microsecond to an hour", () => {
      const histogram = new LatencyHistogram();
      histogram.record(0.001);
      histogram.record(3_600_000);
      assert.equal(histogram.percentiles()?.p50, 0.001);
      assert(Math.abs((histogram.percentiles()?.max ?? 0) / 3_600_000 - 1) < 0.001);
    });

    it("has no percentiles without durations", () => {
      assert.equal(new LatencyHistogram().percentiles(), null);
    });
  });

  describe("pace", () => {
    const { signal } = new AbortController();

    it("keeps the due times if an event blocks the process", async () => {
      const dueTimes: number[] = [];
      const delays: number[] = [];
      await pace({ rate: 100, count: 10, signal }, (index, dueAt) => {
        dueTimes.push(dueAt);
        delays.push(performance.now() - dueAt);
        if (index === 0) blockFor(60);
        return true;
      });
      const [first = NaN] = dueTimes;
      assert.deepEqual(
        dueTimes.map((dueAt) => Math.round(dueAt - first)),
        [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
      );
      assert(delays.every((delay) => delay >= 0));
      assert((delays[1] ?? 0) >= 49, "the delay of the first event counts");
    });

    it("ends a second after the last due time", async () => {
      let events = 0;
      await pace({ rate: 1000, count: 10, signal }, () => {
        events++;
        blockFor(300);
        return true;
      });
      assert(events < 10, `${events} events`);
    });
  });

  describe("failures", () => {
    it("have a reason for Node's error codes", () => {
      const reasons = {
        ENOTFOUND: "dns",
        EAI_AGAIN: "dns",
        ECONNREFUSED: "refused",
        EHOSTUNREACH: "unreachable",
        ECONNRESET: "reset",
        ETIMEDOUT: "timeout",
        EMFILE: "client",
        EPROTO: "tls",
        CERT_HAS_EXPIRED: "tls",
        ERR_TLS_CERT_ALTNAME_INVALID: "tls",
        SELF_SIGNED_CERT_IN_CHAIN: "tls",
        UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls",
        UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls",
        WS_ERR_INVALID_UTF8: "other",
      };
      for (const [code, reason] of Object.entries(reasons)) {
        const { reason: found, detail } = toFailure(Object.assign(new Error("failed"), { code }));
        assert.deepEqual([found, detail], [reason, code]);
      }
      assert.equal(toFailure(new Error("strange")).detail, "strange");
    });

    it("are counted by reason and detail, most frequent first", () => {
      const tally = new FailureTally();
      tally.add(new Failure("http", "403"));
      tally.add(new Failure("http", "503"));
      tally.add(new Failure("http", "503"));
      assert.equal(tally.total, 3);
      assert.deepEqual(tally.list(), [
        { reason: "http", detail: "503", count: 2 },
        { reason: "http", detail: "403", count: 1 },
      ]);
    });
  });

  describe("options", () => {
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

  describe("summary", () => {
    it("lists counts, percentiles, failures and their explanations", () => {
      const percentiles = { count: 12, p50: 1, p90: 2, p99: 3, p99_9: 4.5, max: 5.125 };
      const report: LoadTestReport = {
        mode: "sustained",
        url: "wss://localhost:8443/wss",
        certificate: "not checked: loopback host",
        seconds: 30.04,
        interrupted: true,
        connections: { planned: 10, attempted: 9, connected: 6, connectMs: percentiles },
        messages: { planned: 3000, sent: 1234, lagMs: percentiles },
        deliveries: {
          expected: 7404,
          received: 7400,
          missing: 4,
          duplicated: 1,
          foreign: 2,
          roundTripMs: percentiles,
          fanOutMs: null,
        },
        failures: [
          { reason: "http", detail: "503", count: 2 },
          { reason: "closed", detail: "1013", count: 1 },
        ],
      };
      assert.equal(
        render(report),
        `\
sustained against wss://localhost:8443/wss, 30.0 s, interrupted

certificate  not checked: loopback host
connections  9 of 10 attempted, 6 connected, 3 failed
messages     1,234 of 3,000 sent
deliveries   7,404 expected, 7,400 received, 4 missing, 1 duplicated; 2 of other clients' messages

milliseconds  count   p50   p90   p99  p99.9   max
connect          12  1.00  2.00  3.00   4.50  5.13
send lag         12  1.00  2.00  3.00   4.50  5.13
round trip       12  1.00  2.00  3.00   4.50  5.13
fan-out           0

failures     count
http 503     2      no healthy task, or all tasks are full
closed 1013  1      the server is full, or this client reads too slowly

4 deliveries are missing. A closed connection misses later messages, because the load test does not resume, as the client does. Tasks without a shared backplane lose deliveries too: measure one task.
1 deliveries arrived more than once.
Something failed.
`,
      );
    });
  });
});

/** Blocks the thread without using the CPU. */
function blockFor(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, milliseconds);
}
