/** Two services in one program. Pulumi's mocks do not apply the transforms of a component, and the engine does. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";
import { resources } from "./support/state.ts";
import type { Resource } from "./support/state.ts";
import { updateAndReturnChanges } from "./support/transition.ts";
import { DISTRIBUTION, LOAD_BALANCER, SERVERLESS_CACHE, SERVICE } from "./support/types.ts";

/** An update starts the engine, the program and the providers. */
const TIMEOUT_MS = 360_000;

/** The resources that carry client traffic, in alphabetical order, with one item for each of two subnets. */
const PROTECTED = [
  DISTRIBUTION,
  "aws:ec2/internetGateway:InternetGateway",
  ...Array<string>(2).fill("aws:ec2/route:Route"),
  ...Array<string>(2).fill("aws:ec2/routeTableAssociation:RouteTableAssociation"),
  SERVICE,
  SERVERLESS_CACHE,
  LOAD_BALANCER,
];

describe("two services in one stack of the real engine", function () {
  this.timeout(TIMEOUT_MS);

  let project: Project;
  let state: readonly Resource[] = [];

  before(async function () {
    needCli(this);
    project = new Project();
    writeProgram(1);
    await project.pulumi("stack", "init", "two");
    await project.pulumi("config", "set", "aws:region", "us-east-1", "--stack", "two");
    await project.pulumi("up", "--yes", "--skip-preview", "--stack", "two");
    state = await resources(project);
  });

  after(() => {
    // Without the CLI, there is no project.
    (project as Project | undefined)?.close();
  });

  it("have the same resources under different names", () => {
    const namesOf = (service: string): readonly string[] =>
      state
        .filter(({ urn }) => urn.includes(service))
        .map(({ type, urn }) => `${type} ${urn.slice(urn.lastIndexOf("::")).replace(service, "")}`)
        .sort();
    assert.ok(namesOf("chat").length > 50, String(namesOf("chat").length));
    assert.deepEqual(namesOf("chat"), namesOf("news"));
  });

  it("protect only their own resources", () => {
    const marked = state.filter(({ protect }) => protect === true);
    assert.deepEqual(marked.map(({ type }) => type).sort(), PROTECTED);
    for (const { urn } of marked) assert.match(urn, /::[^:]*chat[^:]*$/);
  });

  it("leave the number of tasks to the autoscaler", async () => {
    writeProgram(2);
    const changes = await updateAndReturnChanges(project);
    assert.deepEqual(
      changes.map(({ method, name, changed }) => [method, name, changed]).sort(),
      ["chat", "news"].map((name) => ["update", `${name}-scaling-tasks`, ["minCapacity"]]),
    );
  });

  function writeProgram(minTasks: number): void {
    const program = `
import { WebSocketService } from "./infra/index.ts";

for (const [name, protect] of [["chat", true], ["news", false]] as const) {
  new WebSocketService(name, { access: "open", minTasks: ${minTasks}, protect });
}
`;
    writeFileSync(join(project.folder, "index.ts"), program);
  }
});
