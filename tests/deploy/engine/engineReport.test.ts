import assert from "node:assert/strict";
import { previewMarkdown } from "../../../deploy/commands/markdown.ts";
import { EngineReport } from "../../../deploy/engine/engineReport.ts";
import { describeLoss, lossesOf } from "../../../deploy/engine/losses.ts";
import { describeCounts, formatDuration, shortType } from "../../../deploy/engine/wording.ts";
import { STACK_URN, step, urn } from "./events.ts";

const NETWORK = urn("websocket:infra:Network", "network");
const VPC = urn("websocket:infra:Network$aws:ec2/vpc:Vpc", "network-vpc");
const SERVICE = urn("aws:ecs/service:Service", "service");
const BUCKET = urn("aws:s3/bucket:Bucket", "logs-bucket");
const CACHE = urn("aws:elasticache/serverlessCache:ServerlessCache", "backplane");

describe("the engine report of deploy", () => {
  let report: EngineReport;

  beforeEach(() => {
    report = new EngineReport();
    report.apply(step("resourcePreEvent", "same", STACK_URN, { custom: false }));
  });

  function changed(): readonly string[] {
    return report.changed.map(({ change, name }) => `${change} ${name}`);
  }

  it("counts the resources in the cloud, and no components", () => {
    report.apply(step("resourcePreEvent", "create", NETWORK, { custom: false }));
    report.apply(step("resOutputsEvent", "create", VPC));
    report.apply(step("resOutputsEvent", "same", BUCKET));
    assert.deepEqual(changed(), ["create network-vpc"]);
    assert.equal(describeCounts(report, "done"), "1 created, 1 unchanged");
    assert.equal(describeCounts(report, "planned"), "1 to create, 1 unchanged");
    assert.equal(describeCounts(new EngineReport(), "done"), "no resources");
  });

  it("counts the steps of a replacement as one change", () => {
    for (const op of ["create-replacement", "replace", "delete-replaced"] as const)
      report.apply(step("resOutputsEvent", op, SERVICE, { old: {} }));
    assert.deepEqual(changed(), ["replace service"]);
  });

  it("finds the losses, except of resources that the cloud keeps", () => {
    report.apply(step("resourcePreEvent", "replace", BUCKET));
    report.apply(step("resourcePreEvent", "delete", CACHE, { old: {}, retained: false }));
    report.apply(step("resourcePreEvent", "delete", SERVICE));
    assert.deepEqual(lossesOf(report).map(describeLoss), [
      "logs-bucket (aws:s3:Bucket) would be replaced: the access and flow logs would be lost",
      "backplane (aws:elasticache:ServerlessCache) would be deleted: the retained messages would be lost",
    ]);
    report.apply(step("resourcePreEvent", "delete", CACHE, { old: {}, retained: true }));
    assert.equal(lossesOf(report).length, 1);
  });

  it("becomes a comment on a pull request", () => {
    report.apply(step("resourcePreEvent", "update", SERVICE, { old: {} }));
    report.apply(step("resourcePreEvent", "delete", BUCKET));
    assert.equal(
      previewMarkdown("dev", report, "~ service ```\n"),
      [
        "<!-- deploy preview dev -->",
        "### Preview of `dev`: 1 to update, 1 to delete",
        "> [!CAUTION]",
        "> logs-bucket (aws:s3:Bucket) would be deleted: the access and flow logs would be lost.",
        "",
        "<details><summary>Output</summary>",
        "",
        "```text",
        "~ service '''",
        "```",
        "",
        "</details>",
        "",
      ].join("\n"),
    );
    const failed = previewMarkdown("dev", new EngineReport(), "x".repeat(100_000), "It is ```broken```");
    assert.match(failed, /failed\n```text\nIt is '''broken'''\n```/);
    assert.match(failed, /x\n… 75000 more characters\n```/);
  });

  it("has short types and readable times", () => {
    assert.equal(shortType("aws:ecs/service:Service"), "aws:ecs:Service");
    assert.equal(shortType("random:index/randomPassword:RandomPassword"), "random:RandomPassword");
    assert.equal(shortType("websocket:infra:Distribution"), "websocket:infra:Distribution");
    assert.equal(formatDuration(1234), "1.2 s");
    assert.equal(formatDuration(245_000), "4 min 05 s");
  });
});
