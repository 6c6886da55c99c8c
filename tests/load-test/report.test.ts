import assert from "node:assert/strict";

import { render, type LoadTestReport } from "../../load-test/report.ts";

describe("the summary of the load test", () => {
  it("lists counts, percentiles, failures and their explanations", () => {
    const percentiles = { count: 12, p50: 1, p90: 2, p99: 3, p99_9: 4.5, max: 5.125 };
    const report: LoadTestReport = {
      mode: "sustained",
      url: "wss://localhost:8443/wss",
      certificate: "not checked: loopback host",
      subscriptions: { channels: 20, perConnection: 3 },
      seconds: 30.04,
      interrupted: true,
      connections: {
        planned: 10,
        attempted: 9,
        connected: 6,
        moved: 2,
        connectMs: percentiles,
        subscribeMs: null,
      },
      messages: { planned: 3000, sent: 1234, lagMs: percentiles },
      deliveries: {
        expected: 7404,
        received: 7400,
        missing: 4,
        duplicated: 1,
        gaps: 3,
        affected: Array.from({ length: 12 }, (_, n) => {
          return { channel: `room.${n + 1}`, missing: n, duplicated: 0, gaps: 1 };
        }),
        foreign: 2,
        roundTripMs: percentiles,
        fanOutMs: null,
      },
      failures: [
        { reason: "http", detail: "503", count: 2 },
        { reason: "closed", detail: "1013", count: 1 },
      ],
      load: [],
    };
    assert.equal(
      render(report),
      `\
sustained against wss://localhost:8443/wss, 30.0 s, interrupted

certificate  not checked: loopback host
connections  9 of 10 attempted, 6 connected, 3 failed, 2 moved to another task
channels     20, 3 per connection
messages     1,234 of 3,000 sent
deliveries   7,404 expected, 7,400 received, 4 missing, 1 duplicated, 3 gaps; 2 of other clients' messages

milliseconds  count   p50   p90   p99  p99.9   max
connect          12  1.00  2.00  3.00   4.50  5.13
subscribe         0
send lag         12  1.00  2.00  3.00   4.50  5.13
round trip       12  1.00  2.00  3.00   4.50  5.13
fan-out           0

channel  missing  duplicated  gaps
room.1         0           0     1
room.2         1           0     1
room.3         2           0     1
room.4         3           0     1
room.5         4           0     1
room.6         5           0     1
room.7         6           0     1
room.8         7           0     1
room.9         8           0     1
room.10        9           0     1
and 2 more channels

failures     count
http 503     2      no healthy task, or all tasks are full
closed 1013  1      the server is full, or this client reads too slowly

Missing deliveries: 4. A connection that fails misses later messages: the load test reconnects only if the server requests it. Tasks without a shared backplane lose deliveries too: measure one task.
Duplicate deliveries: 1.
Gaps: 3. The server no longer had messages for connections that read too slowly or resumed.
Something failed.
`,
    );
  });
});
