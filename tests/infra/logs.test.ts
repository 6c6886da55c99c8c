import assert from "node:assert/strict";
import path from "node:path";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { theOnly } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { at, text } from "../support/values.ts";

const ACCOUNT = "123456789012";
const OTHER_ACCOUNT = "210987654321";

/** A service that puts an object into the bucket. */
interface Writer {
  readonly service: string;
  /** What S3 sees as aws:SourceArn. */
  readonly sourceArn: string;
  readonly objectArn: string;
}

/**
 * What each service writes below its prefix, and on whose behalf (Elastic Load Balancing User Guide, access log files; Amazon
 * VPC User Guide, flow log files; Amazon CloudFront Developer Guide, standard logging v2: a prefix replaces AWSLogs/ACCOUNT).
 */
function writersOf(region: string, account: string) {
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

type Place = keyof ReturnType<typeof writersOf>;

for (const region of ["us-east-1", "eu-west-1"]) {
  describe(`the bucket of the logs in ${region}`, () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await evaluateStack({ stack: "dev", config: { "aws:region": region } });
    });

    it("takes from each service what it writes, and nothing under another one's prefix", () => {
      const prefixes = prefixesIn(graph);
      for (const [place, writer] of entriesOf(writersOf(region, ACCOUNT))) {
        for (const [other, prefix] of entriesOf(prefixes)) {
          const writes = { ...writer, objectArn: `${prefix}/${writer.key}` };
          assert.equal(mayWrite(graph, writes), other === place, `${place} under the prefix of ${other}`);
        }
      }
    });

    it("takes nothing from another account", () => {
      const prefixes = prefixesIn(graph);
      for (const [place, writer] of entriesOf(writersOf(region, OTHER_ACCOUNT))) {
        const objectArn = `${prefixes[place]}/${writer.key}`;
        assert.equal(mayWrite(graph, { ...writer, objectArn }), false, place);
      }
    });

    it("is changed in one way at a time, as S3 refuses two changes at once", () => {
      const changes = graph.resources.filter(({ type }) => /^aws:s3\/bucket[A-Z]/.test(type));
      const awaited = changes.map(({ options }) =>
        options.dependsOn.filter((urn) => urn.includes("aws:s3/bucket")),
      );

      assert.equal(changes.length, 5);
      // A chain: one waits for none, and each of the others for another one.
      assert.equal(awaited.filter((urns) => urns.length === 0).length, 1);
      assert.equal(new Set(awaited.flat()).size, changes.length - 1);
    });

    it("has one statement for each prefix, as AWS writes it: AWS adds what it misses", () => {
      const statements = writeStatements(graph);
      assert.equal(statements.length, Object.keys(prefixesIn(graph)).length);
      for (const { Resource, Action } of statements) {
        assert.deepEqual([typeof Resource, Action], ["string", "s3:PutObject"]);
      }
    });
  });
}

/** ARN of the bucket and prefix to which each service is declared to write. */
function prefixesIn(graph: DeclaredGraph): Readonly<Record<Place, string>> {
  const { bucket, prefix } = at(theOnly(graph, "aws:lb/loadBalancer:LoadBalancer").inputs, "accessLogs");
  return {
    loadBalancer: `arn:aws:s3:::${String(bucket)}/${String(prefix)}`,
    network: text(theOnly(graph, "aws:ec2/flowLog:FlowLog").inputs, "logDestination"),
    edge: text(
      theOnly(graph, "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination").inputs,
      "deliveryDestinationConfiguration.destinationResourceArn",
    ),
  };
}

interface Statement {
  readonly Effect: string;
  readonly Principal: string | { readonly Service?: string };
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: {
    readonly StringEquals?: Readonly<Record<string, string>>;
    readonly ArnLike?: Readonly<Record<string, string>>;
  };
}

function writeStatements(graph: DeclaredGraph): readonly Statement[] {
  const policy = JSON.parse(text(theOnly(graph, "aws:s3/bucketPolicy:BucketPolicy").inputs, "policy")) as {
    Statement: readonly Statement[];
  };
  return policy.Statement.filter(
    ({ Effect, Action }) => Effect === "Allow" && [Action].flat().includes("s3:PutObject"),
  );
}

/** Whether the policy lets the service put the object, with the ACL that AWS's log services send. */
function mayWrite(graph: DeclaredGraph, { service, sourceArn, objectArn }: Writer): boolean {
  const [, , , , account = ""] = sourceArn.split(":");
  const request: Readonly<Record<string, string>> = {
    "aws:SourceAccount": account,
    "aws:SourceArn": sourceArn,
    "s3:x-amz-acl": "bucket-owner-full-control",
  };
  return writeStatements(graph).some(
    ({ Principal, Resource, Condition = {} }) =>
      typeof Principal === "object" &&
      Principal.Service === service &&
      [Resource].flat().some((resource) => path.matchesGlob(objectArn, resource.replace(/\/\*$/, "/**"))) &&
      Object.entries(Condition.StringEquals ?? {}).every(([key, value]) => request[key] === value) &&
      Object.entries(Condition.ArnLike ?? {}).every(([key, value]) => isLike(request[key] ?? "", value)),
  );
}

/** Of an ARN's six parts the last one takes colons, and each is compared by itself (IAM User Guide, ArnLike). */
function isLike(arn: string, pattern: string): boolean {
  const partsOf = (text: string): readonly string[] =>
    /^(.*?):(.*?):(.*?):(.*?):(.*?):(.*)$/.exec(text) ?? [];
  const parts = partsOf(arn);
  return partsOf(pattern).every(
    (part, index) =>
      index === 0 ||
      new RegExp(`^${part.replaceAll(/[^\w*]/g, "\\$&").replaceAll("*", ".*")}$`).test(parts[index] ?? ""),
  );
}

// Object.entries forgets which keys it was given.
function entriesOf<Value>(record: Readonly<Record<Place, Value>>): readonly (readonly [Place, Value])[] {
  return Object.entries(record) as [Place, Value][];
}
