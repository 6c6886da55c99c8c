/** Stacks of the recorded version are updated by the current program. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { baselinePaths, importBaseline, pathOf, readBaseline } from "./support/baseline.ts";
import type { Baseline, StateResource } from "./support/baseline.ts";
import { needCli } from "./support/cli.ts";
import type { Call, Properties } from "./support/cloud.ts";
import { Project } from "./support/project.ts";
import { INPUTS_KEY } from "./support/providers/conventions.ts";
import { replacing } from "./support/providers/replacing.ts";
import { update } from "./support/transition.ts";
import {
  CLUSTER,
  DISTRIBUTION,
  LOAD_BALANCER,
  REPOSITORY,
  SERVERLESS_CACHE,
  SERVICE,
  TARGET_GROUP,
} from "./support/types.ts";

const TIMEOUT_MS = 240_000;

/** A replacement of these interrupts all clients, or deletes messages or images. */
const KEPT = [CLUSTER, DISTRIBUTION, LOAD_BALANCER, REPOSITORY, SERVERLESS_CACHE, SERVICE, TARGET_GROUP];

const MAJOR =
  "In a major version: describe the interruption in docs/upgrading.md, and run npm run baseline -- --force.";

describe("an update of a stack of the recorded version", function () {
  this.timeout(TIMEOUT_MS);

  before(function () {
    needCli(this);
  });

  for (const path of baselinePaths()) {
    it(`keeps the main resources of ${basename(path, ".jsonl")}`, async () => {
      const losses = await findLosses(readBaseline(path));

      assert.equal(losses.join("\n"), "", `${losses.join("\n")}\n${MAJOR}`);
    });
  }

  it("reports the resource and the reason, if one is replaced or deleted", async () => {
    const baseline = readBaseline(pathOf({ stack: "dev" }));
    const losses = await findLosses({
      ...baseline,
      resources: baseline.resources.map((resource) =>
        renamed(REPOSITORY, changed(TARGET_GROUP, { port: 81 }, resource)),
      ),
    });

    assert.equal(losses.length, 2);
    assert.match(losses.join("\n"), /TargetGroup::websocket is replaced: port changes from 81 to 8080\./);
    assert.match(
      losses.join("\n"),
      /Repository::former-websocket-service is deleted: .* It creates of this type: websocket-service\./,
    );
  });
});

/** Updates the stack, and returns a sentence for each main resource that is deleted or replaced. */
async function findLosses(baseline: Baseline): Promise<readonly string[]> {
  const project = new Project();
  try {
    await importBaseline(project, baseline);
    await update(project);
    const kept = baseline.resources.filter(({ type }) => KEPT.includes(type));
    assert.ok(kept.length > 0);
    const calls = project.cloud.calls();
    return kept.flatMap((resource) => findLoss(resource, calls));
  } finally {
    project.close();
  }
}

/** Returns the resource, with other recorded inputs if it has the type. */
function changed(type: string, inputs: Properties, resource: StateResource): StateResource {
  if (resource.type !== type) return resource;
  const all = { ...resource.inputs, ...inputs };
  return { ...resource, inputs: all, outputs: { ...resource.outputs, ...all, [INPUTS_KEY]: all } };
}

/** Returns the resource, as if resources of a type had had other names. */
function renamed(type: string, resource: StateResource): StateResource {
  const text = JSON.stringify(resource).replaceAll(`${type}::`, `${type}::former-`);
  return JSON.parse(text) as StateResource; // The copy of an object has its type.
}

/** Returns a sentence if the resource is deleted or replaced, with the fix. */
function findLoss(resource: StateResource, calls: readonly Call[]): readonly string[] {
  const { urn, type, id } = resource;
  const ofType = calls.filter((call) => call.type === type);
  if (!ofType.some((call) => call.method === "delete" && call.id === id)) return [];
  const name = urn.slice(urn.lastIndexOf("::") + 2);
  const created = ofType.filter(({ method }) => method === "create");
  const replacement = created.find((call) => call.name === name);
  return [
    replacement === undefined
      ? describeDeletion(resource, created)
      : describeReplacement(resource, replacement, ofType),
  ];
}

function describeDeletion({ urn }: StateResource, created: readonly Call[]): string {
  const names = created.map(({ name }) => name).join(", ");
  return (
    `${urn} is deleted: the program does not declare it. It creates of this type: ${names === "" ? "nothing" : names}. ` +
    "Fix: declare it with the former name, type and parent, or with the option `aliases`."
  );
}

function describeReplacement(
  { urn, type, inputs = {} }: StateResource,
  { name, inputs: created = {} }: Call,
  calls: readonly Call[],
): string {
  const changedKeys = calls.find((call) => call.method === "diff" && call.name === name)?.changed ?? [];
  const reasons = replacing(type, changedKeys).map(
    (key) => `${key} changes from ${JSON.stringify(inputs[key])} to ${JSON.stringify(created[key])}`,
  );
  return `${urn} is replaced: ${reasons.join(", ")}. Fix: keep the former value.`;
}
