/** The verdict on both stacks, and what suppressions do to one. */
import assert from "node:assert/strict";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { evaluateExamples } from "../../infra/evaluation/examples.ts";
import { suppressions } from "../../infra/components/suppressions.ts";
import type { Suppression } from "../../infra/components/suppressions.ts";
import { stackOf } from "../../policy/declared.ts";
import type { Resource, Rule } from "../../policy/rule.ts";
import { referringTo } from "../../policy/rule.ts";
import { rules } from "../../policy/rules.ts";
import { listAt, UNKNOWN, valueAt } from "../../policy/values.ts";
import { judge } from "../../policy/verdict.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { declaredGraph } from "../support/stacks.ts";
import { resourceOf } from "./changes.ts";

describe("the stacks and the edges", () => {
  const verdicts = new Map<string, Verdict>();

  before(async () => {
    for (const stack of ["dev", "prod"]) {
      verdicts.set(stack, judge(stackOf(await declaredGraph(stack)), rules, suppressions));
    }
    for (const { title, graph } of await evaluateExamples()) {
      verdicts.set(title, judge(stackOf(graph), rules, suppressions));
    }
  });

  it("have nothing that the rules find, but what is suppressed", () => {
    assert.deepEqual(
      inVerdicts(({ findings }) =>
        findings.map(
          ({ rule, resource, fault }) => `${rule.id} ${resource.name}: ${fault}. Fix: ${rule.fix}`,
        ),
      ),
      {},
    );
  });

  it("suppress nothing in vain, and have each suppression in use", () => {
    assert.deepEqual(
      inVerdicts(({ idle }) => idle.map(({ message }) => message)),
      {},
    );
    const used = new Set(
      [...verdicts.values()].flatMap(({ suppressed }) => suppressed.map(({ suppression }) => suppression)),
    );
    assert.deepEqual(
      suppressions.filter((suppression) => !used.has(suppression)),
      [],
    );
  });

  /** The texts on each, with the names of those on which they are: what is wrong in all of them fails once. */
  function inVerdicts(textsOn: (verdict: Verdict) => readonly string[]): Record<string, readonly string[]> {
    const all = [...verdicts].flatMap(([name, verdict]) => textsOn(verdict).map((text) => ({ name, text })));
    return Object.fromEntries(
      [...Map.groupBy(all, ({ text }) => text)].map(([text, ones]) => [text, ones.map(({ name }) => name)]),
    );
  }

  it("may lack what is suppressed in another", async () => {
    const graph = await evaluateStack({
      stack: "dev",
      config: { "websocket:backplane": "memory", "websocket:maxTasks": "1" },
    });
    const { findings, idle, absent } = judge(stackOf(graph), rules, suppressions);
    assert.deepEqual([findings, idle, absent.map(({ rule }) => rule)], [[], [], ["AEC5"]]);
  });

  it("have a reason for every suppression", () => {
    for (const { rule, reason } of suppressions) assert.match(reason, /^[A-Z].{30,}\S$/, rule);
  });
});

describe("a verdict", () => {
  const TYPE = "test:index:Thing";
  const things = [thing("one", ["red", "blue"]), thing("two", ["red"])];

  it("lets stand what is suppressed, by the type that has it, and nothing else", () => {
    const { findings, suppressed, idle } = verdictOn(things, { ...SUPPRESSION, findings: ["red"] });
    assert.deepEqual(
      findings.map(({ resource, fault }) => [resource.name, fault]),
      [["one", "blue"]],
    );
    assert.deepEqual(
      suppressed.map(({ finding, suppression }) => [finding.resource.name, suppression.reason]),
      [
        ["one", "because"],
        ["two", "because"],
      ],
    );
    assert.deepEqual(idle, []);
  });

  it("lets all findings of a rule stand where a suppression names none", () => {
    assert.deepEqual(verdictOn(things, SUPPRESSION).findings, []);
  });

  it("does not take a suppression of another component's resource for its own", () => {
    const { findings, absent } = verdictOn(things, { ...SUPPRESSION, resource: `test:index:Other$${TYPE}` });
    assert.equal(findings.length, 3);
    assert.equal(absent.length, 1);
  });

  it("says which suppressions let nothing stand", () => {
    const messages = (suppression: Suppression): readonly string[] =>
      verdictOn(things, suppression).idle.map(({ message }) => message);
    assert.deepEqual(messages({ ...SUPPRESSION, findings: ["red", "green"] }), [
      `COLOUR does not find "green" at ${SUPPRESSION.resource}: remove it from the suppression.`,
    ]);
    assert.deepEqual(messages({ ...SUPPRESSION, rule: "COLOR" }), [
      `There is no rule COLOR, which is suppressed at ${SUPPRESSION.resource}; did you mean COLOUR?`,
    ]);
    assert.deepEqual(
      verdictOn([thing("plain", [])], SUPPRESSION).idle.map(({ message }) => message),
      [`COLOUR finds nothing at ${SUPPRESSION.resource}: remove its suppression.`],
    );
  });

  it("keeps what it found before it met a value that is not known yet, and waits for the rest", () => {
    const half = [thing("half", ["red", UNKNOWN, "blue"]), thing("unknown", UNKNOWN)];
    assert.deepEqual(
      verdictOn(half).findings.map(({ fault }) => fault),
      ["red"],
    );
    assert.deepEqual(verdictOn([thing("unknown", UNKNOWN)], SUPPRESSION).idle, []);
  });

  const RULE: Rule = {
    id: "COLOUR",
    level: "mandatory",
    what: "Things have no colour.",
    why: "They fade.",
    fix: "Wash them.",
    types: [TYPE],
    scope: "resource",
    *faults({ properties }) {
      for (const colour of listAt(properties, "colours")) yield String(valueAt({ colour }, "colour"));
    },
  };
  const SUPPRESSION: Suppression = { rule: "COLOUR", resource: `test:index:Box$${TYPE}`, reason: "because" };

  function verdictOn(stack: readonly Resource[], ...suppressing: readonly Suppression[]): Verdict {
    return judge(stack, [RULE], suppressing);
  }

  function thing(name: string, colours: unknown): Resource {
    return {
      ...resourceOf(TYPE, name, { colours }),
      urn: `urn:pulumi:test::websocket::test:index:Box$${TYPE}::${name}`,
    };
  }
});

describe("a reference", () => {
  const target = resourceOf("test:index:Target", "target", { arn: "arn:target", id: UNKNOWN });
  const naming = (name: unknown, ...sources: readonly string[]): Resource => ({
    ...resourceOf("test:index:Source", "source", { target: name }),
    sources: (property) => (property === "target" ? sources : []),
  });
  const refers = (source: Resource): boolean =>
    referringTo(target, [source], "test:index:Source", "target").length > 0;

  it("is by a name that the target has", () => {
    assert.ok(refers(naming("arn:target")));
    assert.ok(!refers(naming("arn:other")));
    assert.ok(!refers(naming(undefined)));
  });

  it("is by its source, where the target's names are not known", () => {
    assert.ok(refers(naming(UNKNOWN, "urn:other", target.urn)));
    assert.ok(refers(naming("an-id", target.urn)));
    assert.ok(!refers(naming(UNKNOWN, "urn:other")));
  });

  it("is assumed where not even the source is known", () => {
    assert.ok(refers(naming(UNKNOWN)));
  });
});
