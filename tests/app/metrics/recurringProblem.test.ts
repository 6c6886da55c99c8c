import assert from "node:assert/strict";

import { pino } from "pino";

import { RecurringProblem } from "../../../app/src/metrics/recurringProblem.ts";
import { waitUntil } from "../../support/waitUntil.ts";

describe("a recurring problem", () => {
  let lines: Record<string, unknown>[];
  let problem: RecurringProblem;

  const start = (quietMs?: number): void => {
    lines = [];
    const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
    const logger = pino({ base: null, timestamp: false }, { write });
    const messages = { begun: "it rains", ended: "it is dry" };
    problem = new RecurringProblem({ logger, ...messages, ...(quietMs === undefined ? {} : { quietMs }) });
  };

  it("is logged when it begins, with the reason, and when it ends, with the count", () => {
    start();
    problem.note(new Error("clouds", { cause: new Error("a low") }));
    for (let n = 0; n < 99; n++) problem.note("more clouds");
    assert.deepEqual(lines, [{ level: 40, reason: "clouds: a low", msg: "it rains" }]);
    problem.end();
    problem.end();
    assert.deepEqual(lines.slice(1), [{ level: 30, occurrences: 100, seconds: 0, msg: "it is dry" }]);
  });

  it("can begin again after its end", () => {
    start();
    problem.end();
    for (let n = 0; n < 2; n++) {
      problem.note("clouds");
      problem.end();
    }
    const expected = ["it rains", "it is dry"];
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      [...expected, ...expected],
    );
  });

  it("ends after a time without an occurrence", async () => {
    start(20);
    problem.note("clouds");
    problem.note("clouds");
    await waitUntil(() => lines.length === 2);
    assert.deepEqual([lines[1]?.["msg"], lines[1]?.["occurrences"]], ["it is dry", 2]);
  });
});
