import assert from "node:assert/strict";
import dockerBuildPackage from "@pulumi/docker-build/package.json" with { type: "json" };
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { text } from "../support/values.ts";
import { needCli } from "./support/cli.ts";
import type { Call } from "./support/cloud.ts";
import { Project } from "./support/project.ts";
import { notDeleted, pluginVersionOf, resources, theOnlyCall } from "./support/state.ts";
import { Traffic } from "./support/traffic.ts";
import { applyTransition } from "./support/transition.ts";
import type { StackRun, Transition } from "./support/transition.ts";
import { DISTRIBUTION, IMAGE, SERVICE, TASK_DEFINITION, USER } from "./support/types.ts";
import { DEV_TRANSITIONS } from "./transitions/dev.ts";
import { MEMORY_TRANSITIONS } from "./transitions/memory.ts";
import { PROD_TRANSITIONS } from "./transitions/prod.ts";

/** A command starts the engine, the program and up to four providers, which can take long on a busy machine. */
const COMMAND_TIMEOUT_MS = 120_000;

interface Sequence {
  readonly title: string;
  readonly stack: string;
  readonly transitions: readonly Transition[];
}

const OTHER_SEQUENCES: readonly Sequence[] = [
  { title: "with a stack that starts without a backplane", stack: "dev", transitions: MEMORY_TRANSITIONS },
  { title: "with the stack prod", stack: "prod", transitions: PROD_TRANSITIONS },
];

describe("the real Pulumi engine", function () {
  this.timeout(COMMAND_TIMEOUT_MS);

  /** These run beside the tests of the stack dev, because a command mostly waits. */
  let others: Sequences | undefined;

  before(function () {
    needCli(this);
    others = startSequences(OTHER_SEQUENCES);
    atSuiteEnd(this, () => others?.stop());
  });

  describe("with an invalid configuration", () => {
    let project: Project;

    beforeEach(async () => {
      project = await createProject("dev");
    });

    afterEach(() => {
      project.close();
    });

    it("refuses a value of the wrong type before it runs the program", async () => {
      await set(project, "requestsPerTarget", "many");
      const { code, stderr } = await project.run("preview");

      assert.notEqual(code, 0);
      assert.match(stderr, /configuration key 'requestsPerTarget' must be of type 'integer'/);
      assert.deepEqual(project.cloud.calls(), []);
    });

    it("reports every wrong key with the command that fixes it, and creates nothing", async () => {
      await set(project, "requestPerTarget", "7");
      await set(project, "minTasks", "0");
      const { code, stdout } = await project.run("up", "--yes", "--skip-preview");

      assert.notEqual(code, 0);
      assert.match(
        stdout,
        /requestPerTarget`: got an unknown key; expected a known key \(did you mean websocket:requestsPerTarget\?/,
      );
      assert.match(stdout, /pulumi config rm websocket:requestPerTarget --stack dev/);
      assert.match(stdout, /websocket:minTasks`: got "0"; expected a whole number from 1/);
      assert.doesNotMatch(stdout, /unhandled exception|at .*\.ts:\d+/);
      assert.deepEqual(project.cloud.calls(), []);
    });
  });

  it("reads rules of the retention that its own commands have set", async () => {
    const project = await createProject("dev");
    try {
      const setPart = (part: string, value: string): Promise<string> =>
        project.pulumi("config", "set", "--path", `websocket:retention[0].${part}`, value);
      await setPart("channels", "user.*");
      await setPart("seconds", "5");
      const { stdout } = await project.run("preview");
      const [, fix = ""] =
        /`websocket:retention\[0\]\.seconds`: got 5; .* Fix: `npx pulumi (.*)`/.exec(stdout) ?? [];
      await project.pulumi(...fix.replaceAll("'", "").split(" "));
      assert.match(await project.pulumi("preview"), /\+ \d+ to create/);
    } finally {
      project.close();
    }
  });

  // The stack is created before the tests, so each test can run alone. A transition first applies the skipped ones.
  describe("with the stack dev", () => {
    let run: StackRun;
    let project: Project;
    /** The output and the changes of the preview before the creation. */
    let preview = "";
    let changesOfPreview: readonly Call[] = [];
    /** Number of applied transitions. */
    let applied = 0;
    /** The origin secret in the inputs of the distribution. */
    let secret = "";
    /** The password in the inputs of the cache user. */
    let password = "";
    let apiKey = "";

    before(async function () {
      this.timeout(3 * COMMAND_TIMEOUT_MS);
      run = await createRun("dev");
      ({ project } = run);
      atSuiteEnd(this, () => {
        project.close();
      });
      const { cloud } = project;
      preview = await project.pulumi("preview");
      changesOfPreview = cloud.changes();
      await applyTransition({ when: "the stack is created" }, run);
      secret = text(theOnlyCall(cloud, "create", DISTRIBUTION).inputs, "origins[0].customHeaders[0].value");
      password = text(theOnlyCall(cloud, "create", USER).inputs, "authenticationMode.passwords[0]");
    });

    it("previews the creation and changes nothing", () => {
      assert.match(preview, /aws:ecs:Service websocket-service create/);
      assert.match(preview, /\+ \d+ to create/);
      assert.deepEqual(changesOfPreview, []);
    });

    it("creates the stack with one task", () => {
      const { cloud } = project;
      assert.ok(cloud.changes().every(({ method }) => method === "create"));
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 1);
      const task = JSON.stringify(theOnlyCall(cloud, "create", TASK_DEFINITION).inputs);
      assert.match(task, /rediss:\/\/websocket@websocket-backplane-[^"]+\.cache\.amazonaws\.com:6379/);
      assert.match(task, /WEBSOCKET_VALKEY_PASSWORD[^}]+arn:aws:ssm:/);
      assert.ok(!task.includes(password));
    });

    it("builds the image with the plugin version of package.json, not with that of awsx", async () => {
      const { version } = dockerBuildPackage;

      assert.equal(await pluginVersionOf(IMAGE, project), version);
    });

    it("exports only outputs that the stack has", () => {
      assert.doesNotMatch(project.transcript, /Undefined value/);
    });

    it("outputs the URL for clients and the API key, and no other secret", async () => {
      const json = await project.pulumi("stack", "output", "--json", "--show-secrets");
      const outputs = JSON.parse(json) as Readonly<Record<string, string>>;

      assert.deepEqual(Object.keys(outputs).sort(), [
        "apiKey",
        "clusterName",
        "distributionDomainName",
        "imageUri",
        "loadBalancerDnsName",
        "readme",
        "serviceName",
        "websocketUrl",
      ]);
      apiKey = outputs["apiKey"] ?? "";
      assert.equal(outputs["websocketUrl"], `wss://${outputs["distributionDomainName"] ?? ""}/wss`);
    });

    it("never prints or stores the origin secret or the password in plain text", async () => {
      await project.pulumi("stack", "export");

      for (const value of [secret, password]) {
        assert.match(value, /^[0-9A-Za-z]{32,}$/);
        assert.ok(!project.transcript.includes(value), "printed");
        assert.ok(!project.written().includes(value), "stored");
      }
      assert.match(apiKey, /^[0-9A-Za-z]{64}$/);
      assert.ok(!project.written().includes(apiKey), "stored");
      // The state contains them encrypted, so the comparison above used the right values.
      const revealed = await project.pulumi("stack", "export", "--show-secrets");
      for (const value of [secret, password]) assert.ok(revealed.includes(value));
    });

    it("previews no changes for an unchanged program", async () => {
      await project.pulumi("preview", "--expect-no-changes");
    });

    for (const [step, { when }] of DEV_TRANSITIONS.entries()) {
      it(`when ${when}`, async function () {
        const pending = DEV_TRANSITIONS.slice(applied, step + 1);
        applied = step + 1;
        this.timeout(pending.length * COMMAND_TIMEOUT_MS);
        for (const transition of pending) await applyTransition(transition, run);
      });
    }

    it("destroys all resources; the image is deleted with its repository", async () => {
      const existing = await resources(project);
      await project.pulumi("destroy", "--yes", "--skip-preview");

      assert.deepEqual(notDeleted(existing, project.cloud), [IMAGE]);
      assert.deepEqual(await resources(project), []);
    });
  });

  for (const [index, { title, transitions }] of OTHER_SEQUENCES.entries()) {
    describe(title, () => {
      for (const [step, { when }] of transitions.entries()) {
        it(`when ${when}`, function () {
          // The transitions before this one run first.
          this.timeout((stepsBefore(index) + step + 1) * COMMAND_TIMEOUT_MS);
          return others?.ends[index]?.[step];
        });
      }
    });
  }
});

function stepsBefore(index: number): number {
  return OTHER_SEQUENCES.slice(0, index).reduce((sum, { transitions }) => sum + transitions.length, 0);
}

interface Sequences {
  /** The result of each transition of each sequence. */
  readonly ends: readonly (readonly Promise<void>[])[];
  /** Waits for the current transition and starts no other one. */
  readonly stop: () => Promise<void>;
}

/** Runs the sequences one after the other. */
function startSequences(sequences: readonly Sequence[]): Sequences {
  const stopped = new AbortController();
  let before: Promise<unknown> = Promise.resolve();
  const ends = sequences.map(({ stack, transitions }) => {
    const created = before.then(() => {
      stopped.signal.throwIfAborted();
      return createRun(stack);
    });
    const transitionEnds = transitions.map((transition) => {
      const end = Promise.all([created, before]).then(([run]) => {
        stopped.signal.throwIfAborted();
        return applyTransition(transition, run);
      });
      before = end.catch(() => undefined);
      return end;
    });
    before = Promise.allSettled([created, before]).then(([run]) => {
      if (run.status === "fulfilled") run.value.project.close();
    });
    return transitionEnds;
  });
  const ended = before;
  return {
    ends,
    async stop() {
      stopped.abort();
      await ended;
    },
  };
}

async function createRun(stack: string): Promise<StackRun> {
  return { stack, project: await createProject(stack), traffic: new Traffic() };
}

async function createProject(stack: string): Promise<Project> {
  const project = new Project();
  try {
    await project.pulumi("stack", "init", stack);
  } catch (error) {
    project.close();
    throw error;
  }
  return project;
}

function set(project: Project, key: string, value: string): Promise<string> {
  return project.pulumi("config", "set", `websocket:${key}`, value);
}
