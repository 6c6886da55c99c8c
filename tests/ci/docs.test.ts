import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { declaredGraph } from "../support/stacks.ts";
import { FILES, ROOT, textOf } from "./support/workflows.ts";

const PAGE = readFileSync(path.join(ROOT, "docs/ci.md"), "utf8");

/** Service prefixes of IAM that differ from the provider's module. */
const SERVICES: Readonly<Record<string, string>> = {
  appautoscaling: "application-autoscaling",
  cloudwatch: "logs",
  lb: "elasticloadbalancing",
  vpc: "ec2",
};

interface Statement {
  readonly Action: string | readonly string[];
  readonly Resource?: string;
}

describe("docs/ci.md", () => {
  const [trust, policy] = [...PAGE.matchAll(/```json\n(.*?)```/gs)].map(
    // The assertions below check the form.
    ([, block = ""]) => (JSON.parse(block) as { readonly Statement: readonly Statement[] }).Statement,
  );

  it("grants every service that the program uses, and only the program's roles", async () => {
    assert.equal(trust?.[0]?.Action, "sts:AssumeRoleWithWebIdentity");
    const actions = policy?.flatMap(({ Action }) => Action) ?? [];
    const roles = policy
      ?.filter(({ Action }) => Action.includes("iam:CreateRole"))
      .map(({ Resource }) => Resource);
    for (const stack of ["dev", "prod"]) {
      for (const { type, name } of (await declaredGraph(stack)).resources) {
        const [, module = ""] = /^awsx?:(\w+)[:/]/.exec(type) ?? [];
        if (module === "") continue;
        if (type === "aws:iam/role:Role")
          assert.match(`:role/${name}`, new RegExp(String(roles).replace(/^.*(:role.*)\*$/, "^$1")));
        else if (module !== "iam")
          assert.ok(actions.includes(`${SERVICES[module] ?? module}:*`), `${type} ${name}`);
      }
    }
  });

  it("names every variable and secret of the workflows", () => {
    const read = FILES.flatMap((file) =>
      [...textOf(file).matchAll(/\b(?:vars|secrets)\.(\w+)/g)].map(([, name = ""]) => name),
    );
    assert.ok(read.includes("PULUMI_BACKEND_URL"));
    for (const name of new Set(read)) assert.ok(PAGE.includes(name), name);
  });
});
