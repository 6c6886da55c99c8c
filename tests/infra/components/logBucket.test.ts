import assert from "node:assert/strict";
import path from "node:path";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { at, text } from "../../support/values.ts";
import { evaluateDev, loadBalancerOf, statementsIn } from "./support.ts";
import type { Statement } from "./support.ts";

const ACCOUNT = "123456789012";
const OTHER_ACCOUNT = "210987654321";

/** A PutObject request of a log service. */
interface LogWrite {
  readonly service: string;
  readonly sourceArn: string;
  readonly objectArn: string;
}

/**
 * The service, its `aws:SourceArn` and a key below its prefix, for each type of log.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
 * @see https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html
 */
function logWritersOf(region: string, account: string) {
  return {
    loadBalancer: {
      service: "logdelivery.elasticloadbalancing.amazonaws.com",
      sourceArn: `arn:aws:elasticloadbalancing:${region}:${account}:loadbalancer/app/websocket/0123`,
      key: `AWSLogs/${account}/elasticloadbalancing/${region}/2026/11/30/file.log.gz`,
    },
    network: {
      service: "delivery.logs.amazonaws.com",
      sourceArn: `arn:aws:logs:${region}:${account}:*`,
      key: `AWSLogs/${account}/vpcflowlogs/${region}/2026/11/30/file.log.gz`,
    },
    edge: {
      service: "delivery.logs.amazonaws.com",
      sourceArn: `arn:aws:logs:us-east-1:${account}:delivery-source:edge`,
      key: "E123ABC.2026-11-30-09.0123abcd.gz",
    },
  };
}

type LogType = keyof ReturnType<typeof logWritersOf>;

for (const region of ["us-east-1", "eu-west-1"]) {
  describe(`the log bucket in ${region}`, () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await evaluateDev({ "aws:region": region });
    });

    it("allows each service to write under its own prefix and under no other", () => {
      const prefixes = prefixesIn(graph);
      for (const [type, writer] of entriesOf(logWritersOf(region, ACCOUNT))) {
        for (const [other, prefix] of entriesOf(prefixes)) {
          const write = { ...writer, objectArn: `${prefix}/${writer.key}` };
          assert.equal(isAllowed(graph, write), other === type, `${type} under the prefix of ${other}`);
        }
      }
    });

    it("allows nothing to another account", () => {
      const prefixes = prefixesIn(graph);
      for (const [type, writer] of entriesOf(logWritersOf(region, OTHER_ACCOUNT))) {
        const write = { ...writer, objectArn: `${prefixes[type]}/${writer.key}` };
        assert.equal(isAllowed(graph, write), false, type);
      }
    });

    it("has one statement for each prefix, because AWS adds a missing statement", () => {
      const statements = writeStatementsOf(graph);
      assert.equal(statements.length, Object.keys(prefixesIn(graph)).length);
      for (const { Resource, Action } of statements) {
        assert.deepEqual([typeof Resource, Action], ["string", "s3:PutObject"]);
      }
    });

    it("is changed by one resource at a time, because S3 refuses concurrent changes", () => {
      const changes = graph.resources.filter(({ type }) => /^aws:s3\/bucket[A-Z]/.test(type));
      const dependencies = changes.map(({ options }) =>
        options.dependsOn.filter((urn) => urn.includes("aws:s3/bucket")),
      );
      assert.equal(changes.length, 5);
      // A chain: the first one depends on none, and each of the others depends on another one.
      assert.equal(dependencies.filter((urns) => urns.length === 0).length, 1);
      assert.equal(new Set(dependencies.flat()).size, changes.length - 1);
    });
  });
}

/** ARN of the bucket and prefix that is declared for each type of log. */
function prefixesIn(graph: DeclaredGraph): Readonly<Record<LogType, string>> {
  const { arn } = findResource(graph, "aws:s3/bucket:Bucket").outputs;
  const { bucket, prefix } = at(loadBalancerOf(graph).inputs, "accessLogs");
  const prefixes = {
    loadBalancer: `arn:aws:s3:::${String(bucket)}/${String(prefix)}`,
    network: text(findResource(graph, "aws:ec2/flowLog:FlowLog").inputs, "logDestination"),
    edge: text(
      findResource(graph, "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination").inputs,
      "deliveryDestinationConfiguration.destinationResourceArn",
    ),
  };
  for (const value of Object.values(prefixes)) assert.ok(value.startsWith(`${String(arn)}/`), value);
  return prefixes;
}

function writeStatementsOf(graph: DeclaredGraph): readonly Statement[] {
  return statementsIn(findResource(graph, "aws:s3/bucketPolicy:BucketPolicy").inputs, "policy").filter(
    ({ Effect, Action }) => Effect === "Allow" && [Action].flat().includes("s3:PutObject"),
  );
}

/** Whether the bucket policy allows the write, with the ACL that log services send. */
function isAllowed(graph: DeclaredGraph, { service, sourceArn, objectArn }: LogWrite): boolean {
  const [, , , , account = ""] = sourceArn.split(":");
  const request: Readonly<Record<string, string>> = {
    "aws:SourceAccount": account,
    "aws:SourceArn": sourceArn,
    "s3:x-amz-acl": "bucket-owner-full-control",
  };
  return writeStatementsOf(graph).some(
    ({ Principal, Resource, Condition = {} }) =>
      typeof Principal === "object" &&
      Principal.Service === service &&
      [Resource].flat().some((resource) => path.matchesGlob(objectArn, resource.replace(/\/\*$/, "/**"))) &&
      Object.entries(Condition["StringEquals"] ?? {}).every(([key, value]) => request[key] === value) &&
      Object.entries(Condition["ArnLike"] ?? {}).every(([key, value]) =>
        isArnLike(request[key] ?? "", value),
      ),
  );
}

/** Compares the six parts of an ARN one by one; the last part can contain colons (IAM User Guide, ArnLike). */
function isArnLike(arn: string, pattern: string): boolean {
  const partsOf = (value: string): readonly string[] =>
    /^(.*?):(.*?):(.*?):(.*?):(.*?):(.*)$/.exec(value) ?? [];
  const parts = partsOf(arn);
  return partsOf(pattern).every(
    (part, index) =>
      index === 0 ||
      new RegExp(`^${part.replaceAll(/[^\w*]/g, "\\$&").replaceAll("*", ".*")}$`).test(parts[index] ?? ""),
  );
}

// Object.entries returns keys of type string.
function entriesOf<Value>(record: Readonly<Record<LogType, Value>>): readonly (readonly [LogType, Value])[] {
  return Object.entries(record) as [LogType, Value][];
}
