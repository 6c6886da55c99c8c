import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "../support/project.ts";
import { notDeleted, resources, theOnlyCall } from "../support/state.ts";
import type { Resource } from "../support/state.ts";
import { update } from "../support/transition.ts";
import type { Transition } from "../support/transition.ts";
import {
  DISTRIBUTION,
  IMAGE,
  LISTENER_RULE,
  SERVERLESS_CACHE,
  SERVICE,
  TASK_DEFINITION,
  USER,
} from "../support/types.ts";
import { assertDistributionUpdated } from "./shared.ts";

const IMPORT_FILE = "import.json";

/** Types of the resources that `retainData` keeps, besides the image in its repository. */
const KEPT = [
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:ecr/repository:Repository",
  "aws:s3/bucket:Bucket",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
  "aws:s3/bucketPolicy:BucketPolicy",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
];

/** A log group whose name contains the name of the cluster. A new cluster has a new one. */
const INSIGHTS_LOG = "websocket-service-insights";

/** Types of the resources that carry connections or store messages. */
const CARRIERS = [
  DISTRIBUTION,
  "aws:lb/listener:Listener",
  LISTENER_RULE,
  "aws:lb/loadBalancer:LoadBalancer",
  SERVERLESS_CACHE,
  SERVICE,
  "aws:lb/targetGroup:TargetGroup",
  TASK_DEFINITION,
  USER,
  // Network access.
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/route:Route",
  "aws:ec2/routeTable:RouteTable",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ec2/subnet:Subnet",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
];

/** Fails if the stack can be destroyed. */
async function assertDestroyRefused(project: Project, ...flags: readonly string[]): Promise<void> {
  const { code, stdout } = await project.run("destroy", ...flags);
  assert.notEqual(code, 0);
  assert.match(stdout, /cannot be deleted[^]*protected/);
}

/** An update with a preview, as `pulumi up` runs it by default. */
function failingUpdateAfterPreview(message: RegExp): (project: Project) => Promise<void> {
  return async (project) => {
    const { code, stdout } = await project.run("up", "--yes");
    assert.notEqual(code, 0);
    assert.match(stdout, message);
  };
}

/** The resources before the stack was destroyed. */
let destroyed: readonly Resource[] = [];

/** Transitions of the stack prod, which is protected and keeps its data. */
export const PROD_TRANSITIONS: readonly Transition[] = [
  {
    when: "the stack is created with two tasks, after a preview",
    run: async (project) => {
      const output = await project.pulumi("up", "--yes");
      assert.match(output, /Previewing update \(prod\)/);
    },
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 2);
    },
  },
  {
    when: "the edge of the protected stack changes: the preview fails, and nothing changes",
    config: { originAccess: "public" },
    run: failingUpdateAfterPreview(/websocket-service[^]*marked for protection/),
    calls: [],
  },
  {
    when: "the edge and `protect` change in one update: resources that are no longer declared are still protected",
    config: { protect: "false" },
    run: failingUpdateAfterPreview(/LoadBalancer.*websocket-vpc[^]*cannot be deleted[^]*protected/),
    calls: [],
  },
  {
    when: "the protected stack is destroyed: the preview fails, and nothing changes",
    run: (project) => assertDestroyRefused(project, "--yes"),
    calls: [],
  },
  {
    when: "the protected stack is destroyed without a preview: the resources that carry traffic remain",
    run: (project) => assertDestroyRefused(project, "--yes", "--skip-preview"),
    after: ({ cloud }) => {
      const deleted = cloud.changes().map(({ type }) => type);
      for (const type of CARRIERS) assert.ok(!deleted.includes(type), type);
    },
  },
  {
    when: "the protection is removed: the update creates the deleted resources again",
    config: { originAccess: "private", protect: "false" },
    after: ({ cloud }) => {
      assert.ok(cloud.changes().every(({ method }) => method === "create"));
    },
  },
  {
    when: "the edge changes without protection",
    config: { originAccess: "public" },
    after: assertDistributionUpdated,
  },
  {
    when: "the stack is destroyed: logs and images remain",
    run: async (project) => {
      destroyed = await resources(project);
      await project.pulumi("destroy", "--yes", "--skip-preview");
      assert.deepEqual(notDeleted(destroyed, project.cloud), [...KEPT, IMAGE]);
    },
  },
  {
    when: "the stack is created again: logs and images are imported",
    run: async (project) => {
      await importKept(destroyed, project);
      await update(project);
    },
    after: ({ cloud }) => {
      const made = cloud
        .changes()
        .filter(({ name }) => name !== INSIGHTS_LOG)
        .map(({ type }) => type);
      for (const type of KEPT) assert.ok(!made.includes(type), type);
    },
  },
];

/** Imports the kept resources: Pulumi writes an import file, and the IDs of the existing resources are added to it. */
async function importKept(existing: readonly Resource[], project: Project): Promise<void> {
  await project.pulumi("preview", "--import-file", IMPORT_FILE);
  const file = join(project.folder, IMPORT_FILE);
  // The format that `pulumi import --help` documents.
  const { resources: wanted } = JSON.parse(readFileSync(file, "utf8")) as {
    resources: readonly { type: string; name: string; logicalName?: string }[];
  };
  const filled = wanted.flatMap((entry) => {
    // Parents and providers of the imported resources.
    if (/^(websocket:|pulumi:providers:)/.test(entry.type)) return [entry];
    if (!KEPT.includes(entry.type) || (entry.logicalName ?? entry.name) === INSIGHTS_LOG) return [];
    const found = existing.find(
      ({ type, urn }) => type === entry.type && urn.endsWith(`::${entry.logicalName ?? entry.name}`),
    );
    return [{ ...entry, id: found?.id }];
  });
  writeFileSync(file, JSON.stringify({ resources: filled }));
  await project.pulumi(
    ...[
      "import",
      "--file",
      IMPORT_FILE,
      "--generate-code=false",
      "--protect=false",
      "--yes",
      "--skip-preview",
    ],
  );
}
