import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { parseOptions } from "../../deploy/options.ts";
import { findings, needProgram } from "./support/linter.ts";
import { FILES, ROOT, step, textOf, workflow, WORKFLOWS } from "./support/workflows.ts";
import { runScript } from "./support/github.ts";

/** Maximum length of a comment or an issue on GitHub. */
const MAX_BODY_CHARACTERS = 65_536;

const HUGE_PREVIEW_CHARACTERS = 100_000;

/** Permissions of each workflow, over all its jobs. */
const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  "base-image": ["contents: write", "pull-requests: write"],
  deploy: ["contents: read", "id-token: write"],
  drift: ["contents: read", "id-token: write", "issues: write"],
  release: ["contents: read", "contents: write", "id-token: write"],
  preview: ["contents: read", "id-token: write", "pull-requests: write"],
  soak: ["contents: read"],
  sweep: ["contents: read", "id-token: write"],
  test: ["contents: read"],
};

describe("the workflows", () => {
  it("have no actionlint findings", function () {
    const actionlint = needProgram(this, "actionlint");
    const files = WORKFLOWS.map((name) => `.github/workflows/${name}.yml`);
    assert.equal(findings(actionlint, ["-no-color", ...files], ROOT), "");
  });

  it("pin every action to one commit, with its version in a comment", () => {
    const commits = new Map<string, string>();
    for (const file of FILES) {
      for (const [line, target = "", rest = ""] of textOf(file).matchAll(/^.*\buses: (\S+)(.*)$/gm)) {
        if (target.startsWith("./")) continue;
        const [action = "", commit = ""] = target.split("@");
        assert.match(commit, /^[0-9a-f]{40}$/, `${file}: ${line.trim()}`);
        assert.match(rest, /^ # v\d+\.\d+\.\d+$/, `${file}: ${line.trim()}`);
        assert.equal(
          commits.get(action) ?? target + rest,
          target + rest,
          `${file}: ${action} differs from another file. Fix: use one commit everywhere`,
        );
        commits.set(action, target + rest);
      }
    }
    assert.ok(commits.size > 0);
  });

  for (const name of WORKFLOWS) {
    it(`${name} has only its permissions, a timeout for every job, and no stored token`, () => {
      const { permissions, jobs } = workflow(name);
      assert.ok(permissions !== undefined, "`permissions` is missing, so the repository's default applies");
      const all = [permissions, ...Object.values(jobs).map((job) => job.permissions ?? {})];
      const rights = new Set(all.flatMap((each) => Object.entries(each).map((right) => right.join(": "))));
      assert.deepEqual([...rights].sort(), PERMISSIONS[name]);
      for (const [job, { "timeout-minutes": minutes, steps, uses, permissions: own = {} }] of Object.entries(
        jobs,
      )) {
        assert.ok(minutes !== undefined || uses !== undefined, `${job} has no timeout`);
        // A job that can write on GitHub must not run the repository's code.
        const writes = Object.entries(own).filter(
          ([scope, right]) => right === "write" && scope !== "id-token",
        );
        const checkouts = steps.filter(({ uses = "" }) => uses.startsWith("actions/checkout@"));
        assert.ok(
          writes.length === 0 || checkouts.length === 0,
          `${job} can write on GitHub and checks out code`,
        );
        for (const checkout of checkouts) assert.equal(checkout.with?.["persist-credentials"], false, job);
      }
    });
  }

  it("run every test file in exactly one shard", () => {
    const { strategy } = workflow("test").jobs["test"] ?? assert.fail("test.yml has no job test");
    const shards = strategy?.matrix.include?.map(({ folders }) =>
      globSync(`tests/${folders ?? ""}/**/*.test.ts`, { cwd: ROOT }),
    );
    assert.deepEqual(shards?.flat().sort(), globSync("tests/**/*.test.ts", { cwd: ROOT }).sort());
    for (const [n, shard] of shards.entries()) assert.ok(shard.length > 0, `shard ${n} runs no tests`);
  });

  it("pass options to npm run deploy that it has", () => {
    const calls = WORKFLOWS.flatMap((name) =>
      Object.values(workflow(name).jobs).flatMap(({ steps }) =>
        steps.flatMap(({ run = "" }) => {
          const [, words] = /^npm run deploy -- (.*)$/m.exec(run) ?? [];
          return words === undefined
            ? []
            : [words.replaceAll('"', "").replaceAll("$STACK", "dev").split(" ")];
        }),
      ),
    );
    const options = calls.map((words) => parseOptions(words));
    assert.deepEqual(
      options.map((each) => [each?.command, each?.stack]),
      [
        ["up", "dev"],
        ["preview", "prod"],
        ["up", "prod"],
        ["preview", "dev"],
        ["preview", "dev"],
        ["sweep", ""],
      ],
    );
    // Workflows cannot answer a question. Without a refresh, the comparison finds no drift.
    for (const each of options) assert.equal(each?.yes, each?.command !== "preview");
    const comparison = options.find((each) => each?.expectNoChanges);
    assert.equal(comparison?.refresh, true);
  });

  it("update one stack at a time without cancelling, and prod only in its environment", () => {
    const { dev, prod } = workflow("deploy").jobs;
    assert.equal(prod?.environment, "prod");
    for (const job of [dev, prod]) assert.equal(job?.concurrency?.["cancel-in-progress"], false);
    assert.notEqual(dev?.concurrency?.group, prod.concurrency?.group);
  });

  it("give secrets that write prod only to the environment prod", () => {
    for (const name of WORKFLOWS) {
      for (const [job, { environment, steps }] of Object.entries(workflow(name).jobs)) {
        const isPreview = steps.some(({ run = "" }) => run.startsWith("npm run deploy -- preview"));
        const secrets = steps.flatMap(({ env = {} }) =>
          Object.values(env).flatMap((value) => /\bsecrets\.(PULUMI_\w+)/.exec(value)?.[1] ?? []),
        );
        if (isPreview)
          assert.deepEqual(secrets, ["PULUMI_PREVIEW_PASSPHRASE", "PULUMI_PREVIEW_ACCESS_TOKEN"], job);
        else if (secrets.length > 0) {
          assert.deepEqual(secrets, ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN"], job);
          assert.equal(environment, job === "prod" ? "prod" : undefined, job);
        }
      }
    }
  });

  describe("the comment on a pull request", () => {
    const { run: script = "" } = step("preview", "comment", ({ run }) => run !== undefined);
    const environment = {
      RESULT: "success",
      COMMIT: "c0ffee",
      COMMENTS: "repos/o/r/issues/7/comments",
      COMMENT: "repos/o/r/issues/comments",
      RUN: "https://example/run",
    };
    const files = { "previews/dev.md": "## dev\n\n`~` 1 to update", "previews/prod.md": "## prod" };
    const bot = { login: "github-actions[bot]" };

    before(function () {
      needProgram(this, "jq");
    });

    it("has the preview of every stack", () => {
      const found = [
        { id: 1, user: { login: "a-user" }, body: "<!-- preview of the stacks -->\nnot ours" },
        { id: 2, user: bot, body: "another workflow's" },
      ];
      const [call, ...more] = runScript(script, { environment, files, found });
      assert.deepEqual(more, []);
      assert.equal(call?.method, "POST");
      assert.equal(call.url, environment.COMMENTS);
      assert.match(call.body["body"] ?? "", /## dev\n\n`~` 1 to update\n\n## prod\n\n.*c0ffee/s);
    });

    it("is edited if it exists", () => {
      const [first] = runScript(script, { environment, files });
      const found = [{ id: 41, user: bot, body: first?.body["body"] }];
      const calls = runScript(script, { environment, files, found });
      assert.deepEqual(
        calls.map(({ method, url }) => [method, url]),
        [["PATCH", `${environment.COMMENT}/41`]],
      );
    });

    it("reports a failed preview, even without its file", () => {
      const [call] = runScript(script, { environment: { ...environment, RESULT: "failure" } });
      assert.match(call?.body["body"] ?? "", /\*\*The preview failed\.\*\* \[.*\]\(https:\/\/example\/run\)/);
    });

    it("is at most as long as GitHub accepts", () => {
      const huge = "ü".repeat(HUGE_PREVIEW_CHARACTERS);
      const [call] = runScript(script, {
        environment,
        files: { "previews/dev.md": huge, "previews/prod.md": huge },
      });
      const { length } = call?.body["body"] ?? "";
      assert.ok(length > MAX_BODY_CHARACTERS / 4 && length <= MAX_BODY_CHARACTERS, String(length));
    });
  });

  describe("the issue about drift", () => {
    const { run: script = "" } = step("drift", "report", ({ run }) => run !== undefined);
    const environment = { RESULT: "failure", ISSUES: "repos/o/r/issues", RUN: "https://example/run" };
    const files = { "drift/prod.md": "## prod\n\n`~` 1 to update" };

    before(function () {
      needProgram(this, "jq");
    });

    it("is opened, updated while there is drift, and closed without drift", () => {
      const other = { number: 3, body: null };
      const [opened, ...more] = runScript(script, { environment, files, found: [other] });
      assert.deepEqual(more, []);
      assert.deepEqual([opened?.method, opened?.url], ["POST", "repos/o/r/issues"]);
      assert.ok(opened?.body["title"]);
      assert.match(opened.body["body"] ?? "", /`~` 1 to update/);

      const found = [other, { number: 9, body: opened.body["body"] }];
      const [updated] = runScript(script, { environment, files, found });
      assert.deepEqual([updated?.method, updated?.url], ["PATCH", "repos/o/r/issues/9"]);

      const closed = runScript(script, { environment: { ...environment, RESULT: "success" }, found });
      assert.deepEqual(closed, [{ method: "PATCH", url: "repos/o/r/issues/9", body: { state: "closed" } }]);
    });

    it("is not opened without drift", () => {
      assert.deepEqual(runScript(script, { environment: { ...environment, RESULT: "success" } }), []);
    });
  });
});

describe("the pull request for the base image", () => {
  const { run: script = "" } = step("base-image", "propose", ({ run }) => run !== undefined);
  const environment = { REPOSITORY: "repos/o/r", OWNER: "o" };
  const dockerfile = textOf("app/Dockerfile");
  const digest = `sha256:${"a1".repeat(32)}`;
  const docker = (answer: string) => ({ docker: `#!/bin/sh\necho '${answer}'\n` });
  const github = (content: string, proposed = false) => ({
    "repos/o/r/contents/app/Dockerfile?ref=main": { content: btoa(content), sha: "blob" },
    "repos/o/r/git/ref/heads/main": { object: { sha: "commit" } },
    "repos/o/r/git/matching-refs/heads/base-image": proposed ? [{ ref: "refs/heads/base-image" }] : [],
    "repos/o/r/pulls?state=open&head=o:base-image": proposed ? [{ number: 7 }] : [],
  });

  before(function () {
    needProgram(this, "jq");
  });

  it("pins the newest digest in every stage and changes nothing else", () => {
    const programs = docker(digest);
    const [branch, commit, request, ...more] = runScript(script, {
      environment,
      programs,
      found: github(dockerfile),
    });
    assert.deepEqual(branch?.body, { ref: "refs/heads/base-image", sha: "commit" });
    assert.deepEqual(
      [commit?.method, commit?.body["sha"], commit?.body["branch"]],
      ["PUT", "blob", "base-image"],
    );
    const pinned = atob(commit?.body["content"] ?? "");
    assert.equal(pinned.split(`node:24-alpine@${digest}`).length - 1, 2);
    assert.equal(pinned.replaceAll(/@sha256:\w+/g, ""), dockerfile.replaceAll(/@sha256:\w+/g, ""));
    assert.deepEqual([request?.url, request?.body["head"]], ["repos/o/r/pulls", "base-image"]);
    assert.deepEqual(more, []);

    // Afterwards, only another digest leads to a proposal.
    assert.deepEqual(runScript(script, { environment, programs, found: github(pinned) }), []);
    const next = `sha256:${"b2".repeat(32)}`;
    const again = runScript(script, { environment, programs: docker(next), found: github(pinned, true) });
    assert.deepEqual(
      again.map(({ method }) => method),
      ["PATCH", "PUT"],
    );
    assert.equal(atob(again[1]?.body["content"] ?? "").split(next).length - 1, 2);
  });

  it("is not opened if the registry returns no digest", () => {
    assert.throws(
      () => runScript(script, { environment, programs: docker("not found"), found: github(dockerfile) }),
      /expected a digest of node:24-alpine/,
    );
  });
});

describe("the Dockerfile", () => {
  it("has no hadolint findings", function () {
    const hadolint = needProgram(this, "hadolint");
    const files = ["app/Dockerfile", ...globSync("examples/*/server/Dockerfile", { cwd: ROOT })];
    assert.equal(findings(hadolint, ["--no-color", ...files], ROOT), "");
  });
});
