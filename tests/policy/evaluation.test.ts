/** The evaluation of the stacks and examples, and the effect of suppressions. */
import assert from "node:assert/strict";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { EXAMPLE_PAGES } from "../../infra/evaluation/examples.ts";
import { suppressions } from "../../infra/components/suppressions.ts";
import type { Suppression } from "../../infra/components/suppression.ts";
import { toStack } from "../../policy/declared.ts";
import { evaluateRules } from "../../policy/evaluation.ts";
import type { Evaluation } from "../../policy/evaluation.ts";
import type { Resource, Rule } from "../../policy/rule.ts";
import { findReferences } from "../../policy/rule.ts";
import { rules } from "../../policy/rules.ts";
import { listAt, UNKNOWN, valueAt } from "../../policy/values.ts";
import { declaredExamples, declaredGraph } from "../support/stacks.ts";
import { resourceOf } from "./changes.ts";

/** Eight evaluations take this long on a busy machine. */
const EVALUATION_TIMEOUT_MS = 60_000;

const MEMORY = "dev with the memory backplane";

describe("the stacks and the examples", () => {
  const evaluations = new Map<string, Evaluation>();

  before(async function () {
    this.timeout(EVALUATION_TIMEOUT_MS);
    for (const stack of ["dev", "prod"]) {
      evaluations.set(stack, evaluateRules(toStack(await declaredGraph(stack)), rules, suppressions));
    }
    for (const page of EXAMPLE_PAGES) {
      for (const { title, graph } of await declaredExamples(page)) {
        evaluations.set(`${page}: ${title}`, evaluateRules(toStack(graph), rules, suppressions));
      }
    }
    const memory = await evaluateStack({
      stack: "dev",
      config: { "websocket:backplane": "memory", "websocket:maxTasks": "1" },
    });
    evaluations.set(MEMORY, evaluateRules(toStack(memory), rules, suppressions));
  });

  it("have no finding without a suppression", () => {
    assert.deepEqual(
      inEvaluations(({ findings }) =>
        findings.map(
          ({ rule, resource, fault }) => `${rule.id} ${resource.name}: ${fault}. Fix: ${rule.fix}`,
        ),
      ),
      {},
    );
  });

  it("use every suppression", () => {
    assert.deepEqual(
      inEvaluations(({ unused }) => unused.map(({ message }) => message)),
      {},
    );
    const used = new Set(
      [...evaluations.values()].flatMap(({ suppressed }) => suppressed.map(({ suppression }) => suppression)),
    );
    assert.deepEqual(
      suppressions.filter((suppression) => !used.has(suppression)),
      [],
    );
  });

  /** The texts of all evaluations, each with the names of its evaluations. */
  function inEvaluations(
    textsOn: (evaluation: Evaluation) => readonly string[],
  ): Record<string, readonly string[]> {
    const all = [...evaluations].flatMap(([name, evaluation]) =>
      textsOn(evaluation).map((text) => ({ name, text })),
    );
    return Object.fromEntries(
      [...Map.groupBy(all, ({ text }) => text)].map(([text, ones]) => [text, ones.map(({ name }) => name)]),
    );
  }

  it("can lack a resource of a suppression", () => {
    assert.deepEqual(
      evaluations.get(MEMORY)?.absent.map(({ rule }) => rule),
      ["AEC5"],
    );
  });

  it("have a reason for every suppression", () => {
    for (const { rule, reason } of suppressions) assert.match(reason, /^[A-Z].{30,}\S$/, rule);
  });
});

describe("an evaluation", () => {
  const TYPE = "test:index:Thing";
  const things = [thing("one", ["red", "blue"]), thing("two", ["red"])];

  it("separates suppressed findings by rule, type and text", () => {
    const { findings, suppressed, unused } = evaluate(things, { ...SUPPRESSION, findings: ["red"] });
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
    assert.deepEqual(unused, []);
  });

  it("suppresses all findings of a rule if the suppression lists none", () => {
    assert.deepEqual(evaluate(things, SUPPRESSION).findings, []);
  });

  it("does not apply a suppression of another component", () => {
    const { findings, absent } = evaluate(things, { ...SUPPRESSION, resource: `test:index:Other$${TYPE}` });
    assert.equal(findings.length, 3);
    assert.equal(absent.length, 1);
  });

  it("reports unused suppressions", () => {
    const messages = (suppression: Suppression): readonly string[] =>
      evaluate(things, suppression).unused.map(({ message }) => message);
    assert.deepEqual(messages({ ...SUPPRESSION, findings: ["red", "green"] }), [
      `COLOUR has no finding "green" at ${SUPPRESSION.resource}: remove it from the suppression.`,
    ]);
    assert.deepEqual(messages({ ...SUPPRESSION, rule: "COLOR" }), [
      `COLOR, suppressed at ${SUPPRESSION.resource}, is not a rule; did you mean COLOUR?`,
    ]);
    assert.deepEqual(
      evaluate([thing("plain", [])], SUPPRESSION).unused.map(({ message }) => message),
      [`COLOUR has no finding at ${SUPPRESSION.resource}: remove its suppression.`],
    );
  });

  it("keeps the findings before an unknown value, and reports no unused suppression", () => {
    const half = [thing("half", ["red", UNKNOWN, "blue"]), thing("unknown", UNKNOWN)];
    assert.deepEqual(
      evaluate(half).findings.map(({ fault }) => fault),
      ["red"],
    );
    assert.deepEqual(evaluate([thing("unknown", UNKNOWN)], SUPPRESSION).unused, []);
  });

  const RULE: Rule = {
    id: "COLOUR",
    level: "mandatory",
    what: "Things have no colour.",
    why: "They fade.",
    fix: "Wash them.",
    types: [TYPE],
    scope: "resource",
    *check({ properties }) {
      for (const colour of listAt(properties, "colours")) yield String(valueAt({ colour }, "colour"));
    },
  };
  const SUPPRESSION: Suppression = { rule: "COLOUR", resource: `test:index:Box$${TYPE}`, reason: "because" };

  function evaluate(stack: readonly Resource[], ...suppressing: readonly Suppression[]): Evaluation {
    return evaluateRules(stack, [RULE], suppressing);
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
    findReferences(target, [source], "test:index:Source", "target").length > 0;

  it("is a value that the target has", () => {
    assert.ok(refers(naming("arn:target")));
    assert.ok(!refers(naming("arn:other")));
    assert.ok(!refers(naming(undefined)));
  });

  it("is a source of the value, if the outputs of the target are unknown", () => {
    assert.ok(refers(naming(UNKNOWN, "urn:other", target.urn)));
    assert.ok(refers(naming("an-id", target.urn)));
    assert.ok(!refers(naming(UNKNOWN, "urn:other")));
  });

  it("is assumed if the value and its sources are unknown", () => {
    assert.ok(refers(naming(UNKNOWN)));
  });
});
