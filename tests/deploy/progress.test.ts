import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { losses } from "../../deploy/stateful.ts";
import { previewMarkdown } from "../../deploy/markdown.ts";
import { Progress } from "../../deploy/progress/progress.ts";
import { noPaint } from "../../cli/paint.ts";
import { duration, shortType } from "../../deploy/progress/text.ts";
import { renderTree, type TreeOptions } from "../../deploy/progress/tree.ts";
import { linesView, liveView } from "../../deploy/progress/view.ts";
import { STACK_URN, step, urn } from "./events.ts";

const NETWORK = urn("websocket:infra:Network", "network");
const VPC = urn("websocket:infra:Network$aws:ec2/vpc:Vpc", "network-vpc");
const SERVICE = urn("aws:ecs/service:Service", "service");
const BUCKET = urn("aws:s3/bucket:Bucket", "logs-bucket");
const CACHE = urn("aws:elasticache/serverlessCache:ServerlessCache", "backplane");

describe("the progress of deploy", () => {
  let progress: Progress;

  beforeEach(() => {
    progress = new Progress();
    progress.apply(step("resourcePreEvent", "same", STACK_URN, { custom: false }), 0);
  });

  /** The tree after a while. */
  function tree(nowMs: number, options: Partial<TreeOptions> = {}): readonly string[] {
    return renderTree(progress, {
      nowMs,
      width: 200,
      height: 100,
      planned: false,
      ended: true,
      paint: noPaint,
      ...options,
    });
  }

  function createNetwork(): void {
    progress.apply(step("resourcePreEvent", "create", NETWORK, { custom: false }), 0);
    progress.apply(step("resourcePreEvent", "create", VPC, { parent: NETWORK }), 1000);
    progress.apply(step("resOutputsEvent", "create", VPC, { parent: NETWORK }), 3000);
    progress.apply(step("resOutputsEvent", "create", NETWORK, { custom: false }), 3500);
  }

  it("shows each change under its component, with its time", () => {
    createNetwork();
    progress.apply(step("resourcePreEvent", "create", SERVICE), 4000);

    assert.deepEqual(tree(6000), [
      "✓ network  websocket:infra:Network  created 3.5 s",
      "  ✓ network-vpc  aws:ec2:Vpc  created 2.0 s",
      "· service  aws:ecs:Service  not finished",
    ]);
  });

  it("folds what is done while something else runs", () => {
    createNetwork();
    progress.apply(step("resourcePreEvent", "create", SERVICE), 4000);

    assert.deepEqual(tree(6000, { ended: false }), [
      "✓ network  1 resource  3.5 s",
      "⠋ service  aws:ecs:Service  creating 2.0 s",
    ]);
  });

  it("fits on the screen: first goes what is done, then the end", () => {
    for (let count = 1; count <= 10; count++) {
      const one = urn("aws:ec2/subnet:Subnet", `subnet-${count}`);
      progress.apply(step("resourcePreEvent", "create", one), 0);
      if (count <= 7) progress.apply(step("resOutputsEvent", "create", one), 1000);
    }

    const fitting = tree(1000, { height: 5, ended: false });
    assert.equal(fitting.length, 5);
    assert.equal(fitting[0], "✓ 6 more are done");
    assert.match(fitting.at(-1) ?? "", /subnet-10 .*creating/);

    const small = tree(1000, { height: 3, ended: false });
    assert.equal(small.length, 3);
    assert.match(small.at(-1) ?? "", /… and \d+ more/);
    assert.ok(tree(1000, { width: 20 }).every((line) => line.length <= 20));
  });

  it("shows what an update changes, and only short values", () => {
    progress.apply(
      step("resourcePreEvent", "update", SERVICE, {
        old: { desiredCount: 1, text: "a", tags: { a: "b" } },
        inputs: { desiredCount: 2, text: "b".repeat(100), tags: {} },
        diffs: ["desiredCount", "text", "tags"],
      }),
      0,
    );

    assert.deepEqual(tree(0, { planned: true }), [
      "~ service  aws:ecs:Service  [desiredCount: 1 → 2, text, tags]",
    ]);
  });

  it("shows what is to be changed, and not what a refresh has found before", () => {
    const [declared, found] = [{ comment: "ours" }, { comment: "by hand" }];
    progress.apply(step("resourcePreEvent", "refresh", SERVICE, { old: declared, inputs: declared }), 0);
    progress.apply(step("resOutputsEvent", "update", SERVICE, { old: declared, inputs: found }), 0);
    progress.apply(step("resourcePreEvent", "update", SERVICE, { old: found, inputs: declared }), 0);

    assert.deepEqual(tree(0, { planned: true }), [
      '~ service  aws:ecs:Service  [comment: "by hand" → "ours"]',
    ]);
  });

  it("takes the steps of a replacement for one", () => {
    for (const op of ["create-replacement", "replace", "delete-replaced"] as const) {
      progress.apply(step("resourcePreEvent", op, SERVICE, { old: {}, diffs: ["name"] }), 0);
      progress.apply(step("resOutputsEvent", op, SERVICE, { old: {}, diffs: ["name"] }), 1000);
    }

    assert.deepEqual(tree(1000), ["✓ service  aws:ecs:Service  replaced 1.0 s  [name]"]);
  });

  it("leaves out what stays the same, and keeps what failed", () => {
    progress.apply(step("resourcePreEvent", "same", BUCKET), 0);
    progress.apply(step("resOutputsEvent", "same", BUCKET), 0);
    progress.apply(step("resourcePreEvent", "create", SERVICE), 0);
    progress.apply(step("resOpFailedEvent", "create", SERVICE), 90_000);

    assert.deepEqual(tree(90_000), ["✗ service  aws:ecs:Service  failed after 1 min 30 s"]);
    assert.deepEqual(
      progress.changed.map(({ name }) => name),
      ["service"],
    );
  });

  it("finds what would be lost", () => {
    progress.apply(step("resourcePreEvent", "replace", BUCKET), 0);
    progress.apply(step("resourcePreEvent", "delete", CACHE), 0);
    progress.apply(step("resourcePreEvent", "delete", SERVICE), 0);

    assert.deepEqual(
      losses(progress).map(({ resource }) => resource.name),
      ["logs-bucket", "backplane"],
    );
  });

  it("finds nothing lost of what outlives its deletion", () => {
    const retained = { old: {}, retained: true };
    progress.apply(step("resourcePreEvent", "delete", BUCKET, retained), 0);
    progress.apply(step("resourcePreEvent", "delete", CACHE, { old: {}, retained: false }), 0);

    assert.deepEqual(
      losses(progress).map(({ resource }) => resource.name),
      ["backplane"],
    );
  });

  it("prints a line for the begin and the end of each change, and the counts", () => {
    let printed = "";
    const view = linesView({ write: (text) => (printed += text) })({
      title: "up dev",
      planned: false,
      progress,
    });
    for (const [event, now] of [
      [step("resourcePreEvent", "create", NETWORK, { custom: false }), 0],
      [step("resourcePreEvent", "create", SERVICE), 0],
      [step("resOutputsEvent", "create", SERVICE), 1500],
    ] as const) {
      const happening = progress.apply(event, now);
      assert.ok(happening);
      view.happened(happening);
    }
    view.close();
    view.close();

    assert.equal(
      printed,
      [
        "up dev",
        "  + creating service (aws:ecs:Service)",
        "  ✓ created service (aws:ecs:Service) in 1.5 s",
        "up dev: 1 created",
        "",
      ].join("\n"),
    );
  });

  it("draws on a terminal while it lasts, and leaves the whole picture", () => {
    let drawn = "";
    const write = (text: string): boolean => {
      drawn += text;
      return true;
    };
    // All that the view and log-update ask of a terminal.
    const terminal = { write, columns: 100, rows: 24, isTTY: true } as unknown as NodeJS.WriteStream;
    const open = liveView(terminal, { paint: noPaint, nowMs: () => 2000 });
    const view = open({ title: "up dev", planned: false, progress });
    createNetwork();
    view.note("cancelling");
    assert.match(drawn, /up dev {2}1 resource.*\n✓ network {2}1 resource {2}3\.5 s\n\ncancelling\n/);

    drawn = "";
    view.close();
    view.close();
    const left = stripVTControlCharacters(drawn).replace(/^[^u]*/, "");
    assert.equal(
      left,
      [
        "up dev  1 created  0.0 s",
        "✓ network  websocket:infra:Network  created 3.5 s",
        "  ✓ network-vpc  aws:ec2:Vpc  created 2.0 s",
        "",
      ].join("\n"),
    );
  });

  it("writes a preview as a comment", () => {
    progress.apply(
      step("resourcePreEvent", "update", SERVICE, { old: { a: "x|y" }, inputs: { a: "`z`" }, diffs: ["a"] }),
      0,
    );
    progress.apply(step("resourcePreEvent", "delete", BUCKET), 0);

    assert.equal(
      previewMarkdown("dev", progress),
      [
        "<!-- deploy preview dev -->",
        "### Preview of `dev`: 1 to update, 1 to delete",
        "> [!CAUTION]",
        "> `logs-bucket` would be deleted: the access and flow logs would be lost.",
        "",
        "",
        "| | Resource | Type | Changes |",
        "|-|-|-|-|",
        '| `~` update | `service` | `aws:ecs:Service` | `a: "x\\|y" → "\'z\'"` |',
        "| `-` delete | `logs-bucket` | `aws:s3:Bucket` |  |",
        "",
      ].join("\n"),
    );
    assert.match(
      previewMarkdown("dev", new Progress(), "It is ```broken```"),
      /failed\n```text\nIt is '''broken'''\n```/,
    );
  });

  it("writes types and times as people do", () => {
    assert.equal(shortType("aws:ecs/service:Service"), "aws:ecs:Service");
    assert.equal(shortType("random:index/randomPassword:RandomPassword"), "random:RandomPassword");
    assert.equal(shortType("websocket:infra:Edge"), "websocket:infra:Edge");
    assert.equal(duration(1234), "1.2 s");
    assert.equal(duration(245_000), "4 min 05 s");
  });
});
