import assert from "node:assert/strict";

import { RecurringProblem } from "../../../app/src/metrics/recurringProblem.ts";
import { recordLog } from "../support/logLines.ts";
import { waitUntil } from "../../support/waitUntil.ts";

describe("a recurring problem", () => {
  const start = (quietMs?: number) => {
    const { logger, ...recorded } = recordLog();
    const parts = {
      logger,
      begun: "it rains",
      ended: "it is dry",
      ...(quietMs !== undefined && { quietMs }),
    };
    return { problem: new RecurringProblem(parts), ...recorded };
  };

  it("is logged when it begins, with the reason, and when it ends, with the count", () => {
    const { problem, lines } = start();
    problem.note(new Error("clouds", { cause: new Error("a low") }));
    for (let n = 0; n < 99; n++) problem.note("more clouds");
    assert.deepEqual(lines, [{ level: 40, reason: "clouds: a low", msg: "it rains" }]);
    problem.end();
    problem.end();
    assert.deepEqual(lines.slice(1), [{ level: 30, occurrences: 100, seconds: 0, msg: "it is dry" }]);
  });

  it("can begin again after its end", () => {
    const { problem, messages } = start();
    problem.end();
    for (let n = 0; n < 2; n++) {
      problem.note("clouds");
      problem.end();
    }
    const expected = ["it rains", "it is dry"];
    assert.deepEqual(messages(), [...expected, ...expected]);
  });

  it("ends after a time without an occurrence", async () => {
    const { problem, lines } = start(20);
    problem.note("clouds");
    problem.note("clouds");
    await waitUntil(() => lines.length === 2);
    assert.deepEqual([lines[1]?.["msg"], lines[1]?.["occurrences"]], ["it is dry", 2]);
  });
});
