/** `npm start --watch`: changed sources and stack files of a running stack. */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { ask } from "../local/support/clients.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { connectTo, startCopy, type StackEvent, type StackProcess } from "../support/localStack.ts";
import { copyRepository, type RepositoryCopy } from "../support/repositoryCopy.ts";

const PAGES = "app/src/http/pages.ts";
const POLICY = '"Referrer-Policy": "no-referrer"';
const NEW_POLICY = '"Referrer-Policy": "same-origin"';

describe("npm start --watch", function () {
  // Builds, evaluations and processes are slow on a busy machine.
  this.timeout(60_000);

  let copy: RepositoryCopy;
  let stack: StackProcess;

  before(async function () {
    copy = copyRepository();
    atSuiteEnd(this, () => {
      copy[Symbol.dispose]();
    });
    stack = await startCopy(copy.root, "--watch");
    atSuiteEnd(this, () => stack.close());
  });

  /** The first event of this name among those that are not in `before`. */
  function next(name: string, before: number): Promise<StackEvent> {
    return stack.event((event) => event.event === name && stack.events.indexOf(event) >= before);
  }

  /** The events of tasks, deployments and changes. The autoscaler has others. */
  const names = (from: number): readonly string[] =>
    stack.events.flatMap(({ event }, at) =>
      at >= from && /^(?:task|deployment|stack|change)-/.test(event) ? [event] : [],
    );

  async function pageHeaders(): Promise<IncomingHttpHeaders> {
    const { status, headers } = await ask(stack.urls.page);
    assert.equal(status, 200);
    return headers;
  }

  it("deploys changed sources, while every request is answered and an open connection continues until its drain", async () => {
    const client = await connectTo(stack.urls.websocket);
    const before = stack.events.length;
    copy.edit(PAGES, POLICY, NEW_POLICY);
    let isComplete = false;
    const completed = next("deployment-completed", before).then(() => (isComplete = true));
    const seen = new Set<unknown>();
    const isDeploying = (): boolean => !isComplete;
    while (isDeploying()) seen.add((await pageHeaders())["referrer-policy"]);
    await completed;
    assert.ok(seen.has("no-referrer"));
    for (let n = 0; n < 5; n++) assert.equal((await pageHeaders())["referrer-policy"], "same-origin");
    assert.deepEqual((await next("deployment-started", before)).files, [PAGES]);
    assert.equal(await client.closed, 1001);
    await next("task-stopped", before);
    assert.deepEqual(names(before), [
      "deployment-started",
      "task-started",
      "task-listening",
      "task-healthy",
      "deployment-completed",
      "task-stopped",
    ]);
  });

  it("deploys changed handlers, and reports those that cannot be built", async () => {
    const before = stack.events.length;
    copy.edit("app/handlers.ts", "defineHandlers({})", "defineHandlers({ onPublish: () => [ })");
    const rejected = await next("change-rejected", before);
    assert.match(rejected.message ?? "", /app\/handlers\.ts:\d+/);
    const corrected = stack.events.length;
    copy.edit("app/handlers.ts", "() => [", "({ value }) => ({ value })");
    await next("deployment-completed", corrected);
    const client = await connectTo(stack.urls.websocket);
    client.send("x");
    assert.deepEqual(await client.next(), { message: { value: "x" } });
    const restored = stack.events.length;
    copy.edit("app/handlers.ts", "{ onPublish: ({ value }) => ({ value }) }", "{}");
    await next("task-stopped", restored);
  });

  it("rejects sources that cannot be built, and starts nothing for a comment", async () => {
    const before = stack.events.length;
    copy.edit(PAGES, NEW_POLICY, `${NEW_POLICY} broken`);
    const rejected = await next("change-rejected", before);
    assert.deepEqual(rejected.files, [PAGES]);
    assert.match(rejected.message ?? "", /app\/src\/http\/pages\.ts:\d+/);
    copy.edit(PAGES, `${NEW_POLICY} broken`, `/* a comment */ ${NEW_POLICY}`);
    // A later change proves that this one has been applied.
    copy.edit("Pulumi.dev.yaml", "config:", "config: # a comment");
    const changed = await next("stack-changed", before);
    assert.deepEqual([changed.changed, changed.needRestart], [[], []]);
    assert.deepEqual(names(before), ["change-rejected", "stack-changed"]);
    assert.equal((await pageHeaders())["referrer-policy"], "same-origin");
  });

  it("returns to the last version if a new one does not start", async () => {
    const before = stack.events.length;
    copy.edit("app/src/main.ts", "await main(", "throw new Error('defect');\nawait main(");
    const failed = await next("deployment-failed", before);
    assert.equal(failed.returnsTo, (failed.revision ?? 0) - 1);
    await next("deployment-completed", before);
    assert.equal((await pageHeaders())["referrer-policy"], "same-origin");
    const fixed = stack.events.length;
    copy.edit("app/src/main.ts", "throw new Error('defect');\nawait main(", "await main(");
    assert.equal((await next("deployment-completed", fixed)).revision, (failed.revision ?? 0) + 1);
  });

  it("applies changed values of the stack in place or by a deployment, and names those that need a restart", async () => {
    const before = stack.events.length;
    copy.edit(
      "Pulumi.dev.yaml",
      "config: # a comment",
      [
        "config:",
        "  websocket:deregistrationDelaySeconds: 5",
        "  websocket:maxChannels: 100",
        "  websocket:idleTimeoutSeconds: 90",
      ].join("\n"),
    );
    const changed = await next("stack-changed", before);
    assert.deepEqual(changed.changed, ["target group websocket", "container"]);
    assert.deepEqual(changed.needRestart, ["load balancer"]);
    await next("deployment-completed", before);
  });

  it("rejects wrong values and a program that fails, with the reason", async () => {
    const before = stack.events.length;
    copy.edit("Pulumi.dev.yaml", "maxChannels: 100", "maxChannels: none");
    const wrong = await next("change-rejected", before);
    assert.match(wrong.message ?? "", /`websocket:maxChannels`: got "none"; expected /);
    const undone = stack.events.length;
    copy.edit("Pulumi.dev.yaml", "maxChannels: none", "maxChannels: 100");
    copy.edit("infra/program.ts", "export ", "throw new Error('defect');\nexport ");
    const failing = await next("change-rejected", undone);
    assert.match(failing.message ?? "", /defect/);
    assert.ok(!names(before).some((name) => name === "stack-changed" || name === "deployment-started"));
  });
});
