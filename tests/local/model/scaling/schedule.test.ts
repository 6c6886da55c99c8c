import assert from "node:assert/strict";
import { readSchedule } from "../../../../local/model/scaling/schedule.ts";

describe("an emulated schedule", () => {
  const times = (expression: string, timeZone: string, after: string, count: number): readonly string[] => {
    const schedule = readSchedule(expression, timeZone) ?? assert.fail(`${expression} is refused`);
    const found: string[] = [];
    let time = schedule.next(Date.parse(after));
    while (time !== undefined && found.length < count) {
      found.push(new Date(time).toISOString().replace(":00.000Z", ""));
      time = schedule.next(time);
    }
    return found;
  };

  // https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
  it("runs AWS's examples at the documented times", () => {
    const monday = "2026-11-30T00:00:00Z";
    const cases: readonly (readonly [expression: string, first: string, second: string])[] = [
      ["cron(0 10 * * ? *)", "2026-11-30T10:00", "2026-12-01T10:00"],
      ["cron(15 12 * * ? *)", "2026-11-30T12:15", "2026-12-01T12:15"],
      ["cron(0 18 ? * MON-FRI *)", "2026-11-30T18:00", "2026-12-01T18:00"],
      ["cron(0 8 1 * ? *)", "2026-12-01T08:00", "2027-01-01T08:00"],
      ["cron(0/15 * * * ? *)", "2026-11-30T00:15", "2026-11-30T00:30"],
      ["cron(0/10 * ? * MON-FRI *)", "2026-11-30T00:10", "2026-11-30T00:20"],
      ["cron(0/5 8-17 ? * MON-FRI *)", "2026-11-30T08:00", "2026-11-30T08:05"],
    ];
    for (const [expression, ...expected] of cases) {
      assert.deepEqual(times(expression, "UTC", monday, 2), expected, expression);
    }
  });

  it("follows the daylight saving time of its time zone", () => {
    assert.deepEqual(times("cron(0 8 * * ? *)", "Europe/Paris", "2026-10-24T00:00:00Z", 2), [
      "2026-10-24T06:00",
      "2026-10-25T07:00",
    ]);
  });

  it("ends with its last year", () => {
    assert.deepEqual(times("cron(0 8 1 1 ? 2027)", "UTC", "2026-11-30T00:00:00Z", 2), ["2027-01-01T08:00"]);
  });

  it("is refused if it has no six fields, a numbered day of the week, or an unknown time zone", () => {
    for (const [expression, timeZone] of [
      ["rate(5 minutes)", "UTC"],
      ["at(2026-12-01T08:00:00)", "UTC"],
      ["cron(0 8 ? * MON-FRI)", "UTC"],
      ["cron(0 8 ? * 2 *)", "UTC"],
      ["cron(0 8 ? * 2-6 *)", "UTC"],
      ["cron(61 8 * * ? *)", "UTC"],
      ["cron(0 8 * * ? *)", "Europe/Atlantis"],
    ] as const) {
      assert.equal(readSchedule(expression, timeZone), undefined, `${expression} in ${timeZone}`);
    }
    assert.notEqual(readSchedule("cron(0 8 ? * FRI#2 *)", "UTC"), undefined);
  });
});
