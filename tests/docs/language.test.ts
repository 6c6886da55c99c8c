import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Words that are avoided in texts, comments, messages and identifiers, and what to write instead. */
const AVOIDED: readonly (readonly [RegExp, instead: string])[] = [
  [
    /\b(?:whoever|(?:no|some|any|every)body|someone)\b/i,
    "the actor: client, task, load balancer, caller, user",
  ],
  [/\bwhichever\b/i, "each, any, regardless of"],
  [/\b(?:tells?|telling|told)\b/i, "notify, report, return"],
  [/\b(?:says?|saying|said)\b/i, "report, state, contain, describe"],
  [/\b(?:knows?|knew)\b/i, "has, has read, has seen, receives"],
  [/\b(?:speaks?|spoken|talks?)\b/i, "use, implement"],
  [/\b(?:hears?|heard|learns?|learnt)\b/i, "receive, read, detect"],
  [/\b(?:wants?|wish|wishes|thinks?|believes?|remembers?|forgives?)\b/i, "needs, requests, keeps"],
  [/\bwhere (?:there|possible|necessary|needed|not?|nothing|none|it (?:is|has|can|does))\b/i, "if, when"],
  [/\bplay(?:s|ed|ing)?\b/i, "emulate"],
  [
    /\b(?:mend(?:s|ed|ing)?|polite(?:ly)?|houses?|doors?|crowds?)\b/i,
    "the technical term: repair, route, clients",
  ],
  [/\b(?:give|gives|gave|given|giving) up\b/i, "stop, cancel, abandon, reject"],
  [/\b(?:lets?|letting) go\b/i, "release"],
];

/** This file, and folders of other projects. */
const SKIPPED = ["node_modules", "dist", "language.test.ts"];

describe("the language of the project", () => {
  const files = globSync(
    ["", ".github/"].map((folder) => `${folder}**/*.{md,ts,js,mjs,py,html,yml,yaml}`),
    { cwd: ROOT, exclude: (name) => SKIPPED.includes(path.basename(name)) },
  );

  it("is checked in documents, sources, tests and workflows", () => {
    for (const name of [
      "README.md",
      "docs/edges.md",
      "app/src/main.ts",
      "tests/app/main.test.ts",
      "clients/python/websocket_channels.py",
      "Pulumi.yaml",
      ".github/workflows/test.yml",
    ]) {
      assert.ok(files.includes(path.normalize(name)), name);
    }
  });

  it("detects an avoided word, also within an identifier", () => {
    assert.match(problemsIn("x.ts", "a\nconst giveUp = 1;").join(""), /^x\.ts:2: "give up"; use stop/);
    assert.deepEqual(problemsIn("x.ts", "const displayed = known;"), []);
  });

  it("has no avoided words", () => {
    const problems = files.flatMap((name) => problemsIn(name, readFileSync(path.join(ROOT, name), "utf8")));
    assert.ok(problems.length === 0, problems.join("\n"));
  });
});

/** @returns each avoided word as `FILE:LINE: "WORD"; use INSTEAD`. */
function problemsIn(name: string, text: string): readonly string[] {
  return text.split("\n").flatMap((line, index) => {
    const words = line.replaceAll(/(?<=[a-z])(?=[A-Z])|_/g, " ");
    return AVOIDED.flatMap(([pattern, instead]) => {
      const found = pattern.exec(words);
      return found === null ? [] : [`${name}:${index + 1}: "${found[0].toLowerCase()}"; use ${instead}`];
    });
  });
}
