/** Scheduled actions of autoscaling: their text, their cron expressions and the rules for them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  expectedCron,
  findTimeZone,
  parseScheduledAction,
  runsAfter,
} from "../../../infra/config/schedule.ts";
import { renderScheduledAction } from "../../../infra/config/schedule.ts";
import { findResource, findResources } from "../../../infra/evaluation/graph.ts";
import { readSchedule } from "../../../local/model/scaling/schedule.ts";
import { evaluateDev } from "../components/support.ts";
import { assertProblem, lineOf, onlyProblemIn, problemsIn } from "./support.ts";

const MORNING = "cron(0 8 ? * MON-FRI *) 4-5 Europe/Berlin";
const EVENING = "cron(0 18 ? * MON-FRI *) 1-2";

const minutes = fc.integer({ min: 0, max: 59 });
const cronOf = fc
  .record({
    minute: fc.oneof(minutes.map(String), fc.constantFrom("*", "0/15", "*/20", "0,30", "5-10", "5-50/5")),
    hour: fc.oneof(fc.integer({ min: 0, max: 23 }).map(String), fc.constantFrom("*", "8-17", "6,18")),
    days: fc.constantFrom(
      ["?", "MON-FRI"],
      ["?", "sat,SUN"],
      ["?", "*"],
      ["1", "?"],
      ["*", "?"],
      ["1-7/2", "?"],
    ),
    month: fc.constantFrom("*", "1", "JAN-MAR", "12", "2,DEC"),
    year: fc.constantFrom("*", "2030", "2030-2040"),
  })
  .map(({ minute, hour, days: [day, weekday], month, year }) =>
    [minute, hour, day, month, weekday, year].join(" "),
  );

describe("a cron expression", () => {
  for (const [cron, expected] of [
    ["0 8 ? * MON-FRI", "a cron expression of 6 fields: minutes, hours, day of the month, month, day of"],
    ["60 8 ? * MON-FRI *", "the minutes (0 to 59) in field 1"],
    ["0 24 ? * MON-FRI *", "the hours (0 to 23) in field 2"],
    ["0 8 32 * ? *", "the day of the month (1 to 31) in field 3"],
    ["0 8 L * ? *", "the day of the month (1 to 31) in field 3"],
    ["0 8 1 13 ? *", "the month (1 to 12 or JAN to DEC) in field 4"],
    ["0 8 ? * 2-6 *", "the day of the week (SUN to SAT) in field 5"],
    ["0 8 ? * MON#2 *", "the day of the week (SUN to SAT) in field 5"],
    ["0 8 ? * MON 1969", "the year (1970 to 2199) in field 6"],
    ["0 8 ? * FRI-MON *", "the day of the week (SUN to SAT) in field 5"],
    ["0/0 8 ? * MON *", "the minutes (0 to 59) in field 1"],
    ["1/2/3 8 ? * MON *", "the minutes (0 to 59) in field 1"],
    ["1-2-3 8 ? * MON *", "the minutes (0 to 59) in field 1"],
    ["? 8 1 * ? *", "the minutes (0 to 59) in field 1"],
    [", 8 ? * MON *", "the minutes (0 to 59) in field 1"],
    ["0 8 ? * ? *", "? for either the day of the month or the day of the week, and not for both"],
    ["0 8 1 * MON *", "? for either the day of the month or the day of the week, and not for both"],
  ] as const) {
    it(`cannot be ${cron}`, () => {
      assert.ok(expectedCron(cron)?.startsWith(expected), String(expectedCron(cron)));
    });
  }

  it("that is accepted has times in the local stack, too", () => {
    fc.assert(
      fc.property(cronOf, (cron) => {
        assert.equal(expectedCron(cron), undefined);
        const next = readSchedule(`cron(${cron})`, "UTC")?.next(0);
        assert.ok(next !== undefined && next > 0, `${cron} has a next time`);
      }),
    );
  });
});

describe("the text of a scheduled action", () => {
  it("is read as it was written", () => {
    const count = fc.integer({ min: 0, max: 9999 });
    const action = fc.record(
      {
        cron: cronOf,
        min: count,
        max: count,
        timeZone: fc.constantFrom("Europe/Berlin", "Etc/GMT+9", "UTC"),
      },
      { requiredKeys: ["cron", "min", "max"], noNullPrototype: true },
    );
    fc.assert(
      fc.property(action, (each) => {
        assert.deepEqual(parseScheduledAction(renderScheduledAction(each)), each);
      }),
    );
  });

  it("can have more spaces, and nothing else", () => {
    assert.deepEqual(parseScheduledAction("  cron( 0  8 ? * MON *)  1-2   UTC "), {
      cron: "0 8 ? * MON *",
      min: 1,
      max: 2,
      timeZone: "UTC",
    });
    for (const text of [
      "",
      "0 8 ? * MON * 1-2",
      "cron(0 8 ? * MON *)",
      `${EVENING} UTC UTC`,
      `x ${EVENING}`,
    ]) {
      assert.equal(parseScheduledAction(text), undefined, text);
    }
  });

  it("has a time zone of the IANA database, with its upper and lower case", () => {
    for (const [name, expected] of [
      ["Europe/Berlin", "Europe/Berlin"],
      ["Asia/Kolkata", "Asia/Kolkata"],
      ["Etc/GMT+9", "Etc/GMT+9"],
      ["UTC", "UTC"],
      ["utc", "UTC"],
      ["europe/berlin", "Europe/Berlin"],
      ["Europe/Bonn", undefined],
      ["CEST", undefined],
    ] as const) {
      assert.equal(findTimeZone(name), expected, name);
    }
  });

  it("runs again, unless its date has passed or does not exist", () => {
    const time = new Date("2027-03-01T08:00:00Z");
    const run = { min: 1, max: 2 };
    assert.ok(runsAfter({ cron: "0 8 29 FEB ? *", ...run }, time));
    assert.ok(runsAfter({ cron: "30 9 1 3 ? 2027", ...run, timeZone: "Europe/Berlin" }, time));
    assert.ok(!runsAfter({ cron: "30 8 1 3 ? 2027", ...run, timeZone: "Europe/Berlin" }, time));
    assert.ok(!runsAfter({ cron: "0 8 30 FEB ? *", ...run }, time));
  });
});

describe("the key scheduledScaling", () => {
  const config = (...items: readonly string[]) => ({ scheduledScaling: JSON.stringify(items) });

  it("declares an action for each item, and leaves the range of the tasks to them", async () => {
    const graph = await evaluateDev(config(MORNING, EVENING));
    const target = findResource(graph, "aws:appautoscaling/target:Target");
    assert.deepEqual(target.options.ignoreChanges, ["minCapacity", "maxCapacity"]);
    const { resourceId, scalableDimension, serviceNamespace } = target.inputs;
    const actions = findResources(graph, "aws:appautoscaling/scheduledAction:ScheduledAction");
    const common = { resourceId, scalableDimension, serviceNamespace };
    assert.deepEqual(Object.fromEntries(actions.map(({ name, inputs }) => [name, inputs])), {
      "websocket-scaling-schedule-1": {
        ...common,
        schedule: "cron(0 8 ? * MON-FRI *)",
        timezone: "Europe/Berlin",
        scalableTargetAction: { minCapacity: 4, maxCapacity: 5 },
      },
      "websocket-scaling-schedule-2": {
        ...common,
        schedule: "cron(0 18 ? * MON-FRI *)",
        scalableTargetAction: { minCapacity: 1, maxCapacity: 2 },
      },
    });
  });

  it("is changed by one resource at a time, because AWS refuses concurrent changes of a scalable target", async () => {
    const { resources } = await evaluateDev(config(MORNING, EVENING));
    const changes = resources.filter(({ type }) => type.startsWith("aws:appautoscaling/"));
    assert.equal(changes.length, 6);
    assert.deepEqual(
      changes.map(({ options }) => options.dependsOn),
      [[], ...changes.slice(0, -1).map(({ urn }) => [urn])],
    );
  });

  it("warns of an action that never runs again", async () => {
    const past = "cron(0 8 1 1 ? 2020) 1-2";
    assert.deepEqual((await evaluateDev(config(MORNING, past))).warnings, [
      `scheduledScaling: "${past}" never runs again. Change its date, or remove it.`,
    ]);
  });

  it("is empty by default: updates set the range of the tasks", async () => {
    const graph = await evaluateDev({});
    assert.deepEqual(findResource(graph, "aws:appautoscaling/target:Target").options.ignoreChanges, []);
    assert.deepEqual(findResources(graph, "aws:appautoscaling/scheduledAction:ScheduledAction"), []);
  });

  for (const [items, ...parts] of [
    [["at 8"], 'got "[\\"at 8\\"]"; expected schedules such as cron(0 8 ? * MON-FRI *) 4-20 Europe/Berlin'],
    [["cron(0 8 ? * MON) 1-2"], 'got "cron(0 8 ? * MON) 1-2"; expected a cron expression of 6 fields'],
    [["cron(0 8 ? * MON *) 1-2 Europe/Bonn"], "a time zone such as Europe/Berlin, and not Europe/Bonn"],
    [
      ["cron(0 8 ? * MON *) 1-2 europe/berlin"],
      "a time zone such as Europe/Berlin, and not europe/berlin",
      "'cron(0 8 ? * MON *) 1-2 Europe/Berlin'",
    ],
    [
      ["cron(0 8 ? * MON) 1-2", EVENING],
      "a cron expression of 6 fields",
      `Fix: \`npx pulumi config rm websocket:scheduledScaling --stack dev && npx pulumi config set --path 'websocket:scheduledScaling[0]' '${EVENING}' --stack dev\``,
    ],
    // A fix that breaks another rule is no fix.
    [["cron(0 8 ? * MON *) 3-2 europe/berlin"], "and not europe/berlin", "scheduledScaling[0]' --stack dev"],
    [["cron(0 8 ? * MON *) 0-2"], "a minimum and a maximum from 1 to 1000 tasks"],
    [["cron(0 8 ? * MON *) 1-1001"], "a minimum and a maximum from 1 to 1000 tasks"],
    [
      [EVENING, "cron(0 8 ? * MON *) 3-2"],
      "a minimum of at most the maximum (2)",
      `--path 'websocket:scheduledScaling[0]' '${EVENING}'`,
      "--path 'websocket:scheduledScaling[1]' 'cron(0 8 ? * MON *) 2-3'",
    ],
    [Array<string>(201).fill(EVENING), "got 201 scheduled actions; expected at most 200"],
  ] as const) {
    it(`cannot be ${items.slice(0, 2).join(", ")}${items.length > 2 ? " and more" : ""}`, () =>
      assertProblem(config(...items), "scheduledScaling", parts));
  }

  it("allows one task with the memory backplane", async () => {
    const single = { backplane: "memory", maxTasks: "1", maxChannels: "100" };
    const problem = await onlyProblemIn({ ...single, ...config(EVENING) });
    assert.match(lineOf(problem), /expected 1-1, because tasks do not share websocket:backplane memory/);
    const [fix] = problem.fix;
    assert.ok(fix !== undefined && "set" in fix && typeof fix.to === "object");
    assert.deepEqual(await problemsIn({ ...single, ...config(...fix.to) }), []);
  });
});
