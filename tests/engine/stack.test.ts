import assert from "node:assert/strict";
import dockerBuildPackage from "@pulumi/docker-build/package.json" with { type: "json" };
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { text } from "../support/values.ts";
import { needCli } from "./support/cli.ts";
import type { Call } from "./support/cloud.ts";
import { Project } from "./support/project.ts";
import { notDeleted, pluginVersionOf, resources, theOnlyCall } from "./support/state.ts";
import { Traffic } from "./support/traffic.ts";
import { make } from "./support/transition.ts";
import type { Life, Transition } from "./support/transition.ts";
import { DISTRIBUTION, IMAGE, SERVICE, TASK_DEFINITION, USER } from "./support/types.ts";
import { BEGINNINGS, CHANGES, ENDINGS } from "./transitions.ts";

/** A command starts the engine, the program and up to four providers: seconds, and on a busy machine many. */
const COMMAND_TIMEOUT_MS = 120_000;

interface OtherLife {
  readonly what: string;
  readonly stack: string;
  readonly transitions: readonly Transition[];
}

const OTHER_LIVES: readonly OtherLife[] = [
  { what: "with a stack that begins small", stack: "dev", transitions: BEGINNINGS },
  { what: "with the stack prod", stack: "prod", transitions: ENDINGS },
];

describe("the real Pulumi engine", function () {
  this.timeout(COMMAND_TIMEOUT_MS);

  /** These go on beside the tests of the stack dev, as most of a command's time is waiting. */
  let others: Lives | undefined;

  before(function () {
    needCli(this);
    others = startLives(OTHER_LIVES);
    atSuiteEnd(this, () => others?.stop());
  });

  describe("with an unusable configuration", () => {
    let project: Project;

    beforeEach(async () => {
      project = await projectOf("dev");
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

  // Created before the tests, so that any of them can be run alone; a change that is runs what is left out before it.
  describe("with the stack dev", () => {
    let life: Life;
    let project: Project;
    /** What the preview before the creation printed, and what it changed. */
    let preview = "";
    let changesOfPreview: readonly Call[] = [];
    /** How many of the changes this life has behind it. */
    let made = 0;
    /** The origin secret, as CloudFront was told it. */
    let secret = "";
    /** The backplane's password, as ElastiCache was told it. */
    let password = "";

    before(async function () {
      this.timeout(3 * COMMAND_TIMEOUT_MS);
      life = await lifeOf("dev");
      ({ project } = life);
      atSuiteEnd(this, () => {
        project.close();
      });
      const { cloud } = project;
      preview = await project.pulumi("preview");
      changesOfPreview = cloud.changes();
      await make({ when: "it is created" }, life);
      secret = text(theOnlyCall(cloud, "create", DISTRIBUTION).inputs, "origins[0].customHeaders[0].value");
      password = text(theOnlyCall(cloud, "create", USER).inputs, "authenticationMode.passwords[0]");
    });

    it("previews it and changes nothing", () => {
      assert.match(preview, /aws:ecs:Service websocket-service create/);
      assert.match(preview, /\+ \d+ to create/);
      assert.deepEqual(changesOfPreview, []);
    });

    it("creates it", () => {
      const { cloud } = project;
      assert.ok(cloud.changes().every(({ method }) => method === "create"));
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 1);
      const task = JSON.stringify(theOnlyCall(cloud, "create", TASK_DEFINITION).inputs);
      assert.match(task, /rediss:\/\/websocket@backplane-[^"]+\.cache\.amazonaws\.com:6379/);
      assert.match(task, /WEBSOCKET_VALKEY_PASSWORD[^}]+arn:aws:ssm:/);
      assert.ok(!task.includes(password));
    });

    it("builds the image with the plugin of package.json, and not with the one that awsx asks for", async () => {
      const { version } = dockerBuildPackage;

      assert.equal(await pluginVersionOf(IMAGE, project), version);
    });

    it("exports no output that the stack does not have", () => {
      assert.doesNotMatch(project.transcript, /Undefined value/);
    });

    it("outputs where clients connect, and no secret", async () => {
      const json = await project.pulumi("stack", "output", "--json", "--show-secrets");
      const outputs = JSON.parse(json) as Readonly<Record<string, string>>;

      assert.deepEqual(Object.keys(outputs).sort(), [
        "clusterName",
        "distributionDomainName",
        "imageUri",
        "loadBalancerDnsName",
        "readme",
        "serviceName",
        "websocketUrl",
      ]);
      assert.equal(outputs["websocketUrl"], `wss://${outputs["distributionDomainName"] ?? ""}/wss`);
    });

    it("keeps the origin secret and the backplane's password out of all that it prints and stores", async () => {
      await project.pulumi("stack", "export");

      for (const value of [secret, password]) {
        assert.match(value, /^[0-9A-Za-z]{32,}$/);
        assert.ok(!project.transcript.includes(value), "printed");
        assert.ok(!project.written().includes(value), "stored");
      }
      // The state does have them, encrypted: the search above looked for the right values.
      const revealed = await project.pulumi("stack", "export", "--show-secrets");
      for (const value of [secret, password]) assert.ok(revealed.includes(value));
    });

    it("sees no change when nothing has changed", async () => {
      await project.pulumi("preview", "--expect-no-changes");
    });

    for (const [step, { when }] of CHANGES.entries()) {
      it(`when ${when}`, async function () {
        const due = CHANGES.slice(made, step + 1);
        made = step + 1;
        this.timeout(due.length * COMMAND_TIMEOUT_MS);
        for (const transition of due) await make(transition, life);
      });
    }

    it("destroys everything; the image goes with its repository", async () => {
      const existing = await resources(project);
      await project.pulumi("destroy", "--yes", "--skip-preview");

      assert.deepEqual(notDeleted(existing, project.cloud), [IMAGE]);
      assert.deepEqual(await resources(project), []);
    });
  });

  for (const [index, { what, transitions }] of OTHER_LIVES.entries()) {
    describe(what, () => {
      for (const [step, { when }] of transitions.entries()) {
        it(`when ${when}`, function () {
          // Alone, it waits for all that come before it.
          this.timeout((stepsBefore(index) + step + 1) * COMMAND_TIMEOUT_MS);
          return others?.ends[index]?.[step];
        });
      }
    });
  }
});

function stepsBefore(index: number): number {
  return OTHER_LIVES.slice(0, index).reduce((sum, { transitions }) => sum + transitions.length, 0);
}

interface Lives {
  /** How each transition of each life ends. */
  readonly ends: readonly (readonly Promise<void>[])[];
  /** Lets the transition under way come to its end, and makes no more. */
  readonly stop: () => Promise<void>;
}

/** Lives one life after the other. */
function startLives(lives: readonly OtherLife[]): Lives {
  const stopped = new AbortController();
  let before: Promise<unknown> = Promise.resolve();
  const ends = lives.map(({ stack, transitions }) => {
    const life = before.then(() => {
      stopped.signal.throwIfAborted();
      return lifeOf(stack);
    });
    const transitionEnds = transitions.map((transition) => {
      const end = Promise.all([life, before]).then(([begun]) => {
        stopped.signal.throwIfAborted();
        return make(transition, begun);
      });
      before = end.catch(() => undefined);
      return end;
    });
    before = Promise.allSettled([life, before]).then(([begun]) => {
      if (begun.status === "fulfilled") begun.value.project.close();
    });
    return transitionEnds;
  });
  const over = before;
  return {
    ends,
    async stop() {
      stopped.abort();
      await over;
    },
  };
}

async function lifeOf(stack: string): Promise<Life> {
  return { stack, project: await projectOf(stack), traffic: new Traffic() };
}

async function projectOf(stack: string): Promise<Project> {
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
