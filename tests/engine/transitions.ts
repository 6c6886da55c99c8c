/**
 * Every change that people make to a stack, and what each asks of the cloud. A feature that changes what a stack does
 * adds its row, at the end of a life: a row goes on from the stack that the rows before it left.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "./support/project.ts";
import { list, valueAt } from "../support/values.ts";
import { notDeleted, resources, theOnlyCall } from "./support/state.ts";
import type { Resource } from "./support/state.ts";
import { failingUpdate, update } from "./support/transition.ts";
import type { Transition } from "./support/transition.ts";
import {
  DISTRIBUTION,
  IMAGE,
  LISTENER_RULE,
  POLICY,
  SERVERLESS_CACHE,
  SERVICE,
  TASK_DEFINITION,
  USER,
} from "./support/types.ts";

/** A task definition is never changed: a new revision takes the old one's place, and the tasks follow one by one. */
const NEW_TASKS = [
  "create TaskDefinition websocket-service",
  "update Service websocket-service taskDefinition",
  "delete TaskDefinition websocket-service",
] as const;

const IMPORT_FILE = "import.json";

/** What `retainData` leaves behind, by type; and the image, which is in its repository. */
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

/** Log group with the cluster's name in it, so that a new cluster has a new one. */
const INSIGHTS_LOG = "websocket-service-insights";

/** What clients' connections go through, and what holds their messages. */
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
  // The network's way out, and in.
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/route:Route",
  "aws:ec2/routeTable:RouteTable",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ec2/subnet:Subnet",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
];

/** What the console page is made of is part of the image. */
const CONTENT = join("console", "extra.txt");

async function refusedDestroy(project: Project, ...flags: readonly string[]): Promise<void> {
  const { code, stdout } = await project.run("destroy", ...flags);
  assert.notEqual(code, 0);
  assert.match(stdout, /cannot be deleted[^]*protected/);
}

/** As `pulumi up` does it by default, and `npm run deploy -- up` where something is protected. */
function failingUpdateAfterPreview(why: RegExp): (project: Project) => Promise<void> {
  return async (project) => {
    const { code, stdout } = await project.run("up", "--yes");
    assert.notEqual(code, 0);
    assert.match(stdout, why);
  };
}

interface OneLoadBalancer {
  readonly name: string;
  readonly listener: "http" | "https";
  /** What comes and goes with it. */
  readonly with?: readonly string[];
}

/**
 * Behind another load balancer there is another service: it runs before CloudFront goes over, and the one before drains
 * while its load balancer is still there.
 */
function movedTo(next: OneLoadBalancer, last: OneLoadBalancer): NonNullable<Transition["asks"]> {
  const parts = (
    verb: "create" | "delete",
    { name, listener, with: others = [] }: OneLoadBalancer,
  ): string[] => [
    ...others,
    `${verb} Listener ${name}-${listener}`,
    `${verb} LoadBalancer ${name}`,
    `${verb} SecurityGroup ${name}`,
    `${verb} SecurityGroupEgressRule ${name}-to-tasks`,
    `${verb} SecurityGroupIngressRule tasks-from-${name}`,
    `${verb} SecurityGroupIngressRule ${name}-from-cloudfront`,
    `${verb} TargetGroup ${name}`,
  ];
  const rule = "X-Origin-Renamed-5";
  return [
    [
      ...parts("create", next),
      `create ListenerRule ${next.name}-${rule}`,
      "create Service websocket-service",
    ],
    ["create Policy scaling-requests", "create Target scaling-tasks", "update Distribution edge origins"],
    "delete Policy scaling-requests",
    "delete Target scaling-tasks",
    "delete Service websocket-service",
    `delete ListenerRule ${last.name}-${rule}`,
    parts("delete", last),
  ];
}

/** A name of the load balancer's own. */
const ORIGIN_CERTIFICATE = [
  "Certificate origin-certificate-us-east-1",
  "CertificateValidation origin-certificate-us-east-1",
  "Record origin-certificate-proof",
] as const;

/** An own name belongs to one distribution: another one could not take it before this one is gone. */
function onlyUpdatesTheDistribution({ cloud }: Project): void {
  const calls = cloud.changes().filter(({ type }) => type === DISTRIBUTION);
  assert.deepEqual(
    calls.map(({ method, name }) => [method, name]),
    [["update", "edge"]],
  );
}

/** Changes of a stack that has its backplane, from `Pulumi.dev.yaml`. */
export const CHANGES: readonly Transition[] = [
  {
    when: "the autoscaler's thresholds change",
    config: { requestsPerTarget: "7", scaleOutCooldownSeconds: "30" },
    asks: ["update Policy scaling-requests targetTrackingScalingPolicyConfiguration"],
  },
  {
    when: "there are to be more tasks at least, which leaves the running ones alone",
    config: { minTasks: "2" },
    asks: ["update Target scaling-tasks minCapacity"],
  },
  {
    when: "a task gets more cpu and memory",
    config: { cpu: "2048", memoryMiB: "4096" },
    asks: NEW_TASKS,
  },
  {
    when: "logs are kept longer",
    config: { logRetentionDays: "14" },
    asks: [
      [
        "update BucketLifecycleConfiguration logs-lifecycle rules",
        "update LogGroup websocket-service-exec retentionInDays",
        "update LogGroup websocket-service-insights retentionInDays",
        "update LogGroup websocket-service-log retentionInDays",
      ],
    ],
  },
  {
    when: "the backplane may hold more",
    config: { backplaneMaxGB: "2" },
    // The tasks know how much that is, so that they never fill it.
    asks: ["update ServerlessCache backplane cacheUsageLimits", ...NEW_TASKS],
  },
  {
    when: "others changed it in the cloud, and a refresh tells: what is the program's is put right, nothing else",
    before: ({ cloud }) => {
      cloud.setDrift(POLICY, { targetTrackingScalingPolicyConfiguration: { targetValue: 1 } });
      cloud.setDrift(SERVICE, { desiredCount: 4 });
      // CloudFront answers so of itself, whatever it was told.
      cloud.setDrift(DISTRIBUTION, {
        viewerCertificate: { cloudfrontDefaultCertificate: true, minimumProtocolVersion: "TLSv1" },
      });
    },
    run: async (project) => {
      await project.pulumi("refresh", "--run-program", "--yes", "--skip-preview");
      await update(project);
    },
    asks: ["update Policy scaling-requests targetTrackingScalingPolicyConfiguration"],
  },
  {
    when: "a setting of the server changes, which keeps the number of tasks that the autoscaler chose",
    config: { heartbeatSeconds: "25" },
    asks: NEW_TASKS,
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "update", SERVICE).inputs?.["desiredCount"], 4);
    },
  },
  {
    when: "the image has new content",
    before: ({ folder }) => {
      writeFileSync(join(folder, CONTENT), "new content");
    },
    asks: [
      "create RandomId websocket-service-change",
      "create Image CONTENT",
      ...NEW_TASKS.slice(0, 2),
      ["delete TaskDefinition websocket-service", "delete RandomId websocket-service-change"],
    ],
  },
  {
    when: "the image has its old content again, which is built under a tag of its own",
    before: ({ folder }) => {
      rmSync(join(folder, CONTENT));
    },
    asks: [
      "create RandomId websocket-service-change",
      "create Image CONTENT",
      ...NEW_TASKS.slice(0, 2),
      ["delete TaskDefinition websocket-service", "delete RandomId websocket-service-change"],
    ],
    after: ({ cloud }) => {
      const tags = cloud.pushedTags();
      assert.equal(new Set(tags).size, 3);
      const [first, second, third] = tags.map((tag) => tag.replace(/-\w+$/, ""));
      assert.equal(first, third);
      assert.notEqual(first, second);
    },
  },
  {
    when: "the header of the origin secret is renamed",
    config: { originHeaderName: "X-Origin-Renamed" },
    asks: [
      "create ListenerRule websocket-X-Origin-Renamed-1",
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Secret-1",
    ],
  },
  {
    when: "the origin secret is renewed",
    config: { originSecretGeneration: "2" },
    asks: [
      "create RandomPassword origin-secret-2",
      "create ListenerRule websocket-X-Origin-Renamed-2",
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-1",
    ],
    after: ({ cloud }) => {
      const { inputs: rule } = theOnlyCall(cloud, "create", LISTENER_RULE);
      const { inputs: distribution } = theOnlyCall(cloud, "update", DISTRIBUTION);
      const accepted = list(rule, "conditions[0].httpHeader.values");
      assert.equal(new Set(accepted).size, 2);
      assert.equal(valueAt(distribution, "origins[0].customHeaders[0].value"), accepted[0]);
    },
  },
  {
    when: "the origin secret is renewed once more",
    config: { originSecretGeneration: "3" },
    asks: [
      "create RandomPassword origin-secret-3",
      "create ListenerRule websocket-X-Origin-Renamed-3",
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-2",
      "delete RandomPassword origin-secret-1",
    ],
  },
  {
    when: "the origin secret is renewed by two generations at once, so that the last one is worth nothing",
    config: { originSecretGeneration: "5" },
    asks: [
      ["create RandomPassword origin-secret-5", "create RandomPassword origin-secret-4"],
      "create ListenerRule websocket-X-Origin-Renamed-5",
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-3",
      ["delete RandomPassword origin-secret-3", "delete RandomPassword origin-secret-2"],
    ],
  },
  {
    when: "the origin secret is renewed, and CloudFront fails: what accepts the old one stays",
    config: { originSecretGeneration: "6" },
    before: ({ cloud }) => {
      cloud.setFailure(DISTRIBUTION, "ServiceUnavailable: CloudFront encountered an internal error");
    },
    run: failingUpdate(/Distribution.*edge[^]*ServiceUnavailable: CloudFront encountered an internal error/),
    asks: ["create RandomPassword origin-secret-6", "create ListenerRule websocket-X-Origin-Renamed-6"],
  },
  {
    when: "that is tried again",
    asks: [
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-5",
      "delete RandomPassword origin-secret-4",
    ],
  },
  {
    when: "the origin secret goes back a generation",
    config: { originSecretGeneration: "5" },
    asks: [
      "create RandomPassword origin-secret-4",
      "create ListenerRule websocket-X-Origin-Renamed-5",
      "update Distribution edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-6",
      "delete RandomPassword origin-secret-6",
    ],
  },
  {
    when: "the backplane's password is renewed: it accepts both before tasks come with the new one",
    config: { backplanePasswordGeneration: "2" },
    asks: [
      "create RandomPassword backplane-password-2",
      [
        "create Parameter backplane-password-2",
        "update User backplane-tasks authenticationMode",
        "update RolePolicy websocket-service-execution-policy policy",
      ],
      ...NEW_TASKS,
    ],
    after: ({ cloud }) => {
      const { inputs } = theOnlyCall(cloud, "update", USER);
      assert.equal(list(inputs, "authenticationMode.passwords").length, 2);
    },
  },
  {
    when: "it is to get a domain in a zone of another name, which a preview refuses",
    config: { domain: "ws.example.org", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
    run: async (project) => {
      const { code, stdout } = await project.run("preview");
      assert.notEqual(code, 0);
      assert.match(
        stdout,
        /Z0123456789ABCDEFGHIJ, which is the zone example\.com; expected the zone of ws\.example\.org/,
      );
    },
    asks: [],
  },
  {
    when: "it gets a domain: CloudFront answers to the name before the name leads there",
    config: { domain: "ws.example.com", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
    asks: [
      "create Certificate domain-certificate-us-east-1",
      "create Record domain-certificate-proof",
      "create CertificateValidation domain-certificate-us-east-1",
      "update Distribution edge viewerCertificate aliases",
      ["create Record domain-A", "create Record domain-AAAA"],
    ],
  },
  {
    when: "its load balancer goes from the public into the VPC, and CloudFront goes over when tasks answer there",
    config: { originAccess: "private" },
    asks: movedTo(
      { name: "websocket-vpc", listener: "http", with: ["create VpcOrigin vpc-origin"] },
      { name: "websocket", listener: "http" },
    ),
    // What the autoscaler had chosen for the one before is not known of a new one: minTasks.
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 2);
    },
  },
  {
    when: "CloudFront is to speak TLS to it: not by the VPC origin that it uses, which takes no change",
    config: { originTls: "origin.example.com" },
    asks: movedTo(
      {
        name: "websocket-vpc-tls-fc4b76",
        listener: "https",
        with: [...ORIGIN_CERTIFICATE.map((part) => `create ${part}`), "create VpcOrigin vpc-origin"],
      },
      { name: "websocket-vpc", listener: "http", with: ["delete VpcOrigin vpc-origin"] },
    ),
  },
  {
    when: "CloudFront is to know it by another name: a listener has one certificate, and CloudFront goes by one name",
    config: { originTls: "other.example.com" },
    asks: movedTo(
      {
        name: "websocket-vpc-tls-72752f",
        listener: "https",
        with: [...ORIGIN_CERTIFICATE.map((part) => `create ${part}`), "create VpcOrigin vpc-origin"],
      },
      {
        name: "websocket-vpc-tls-fc4b76",
        listener: "https",
        with: [...ORIGIN_CERTIFICATE.map((part) => `delete ${part}`), "delete VpcOrigin vpc-origin"],
      },
    ),
  },
  {
    when: "an API Gateway takes the service's place, under the same name and by the same distribution",
    config: {
      edge: "api-gateway",
      apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
      originAccess: "public",
      originTls: "",
    },
    after: onlyUpdatesTheDistribution,
  },
  {
    when: "the service comes back, in public, with the API Gateway beside it no more",
    config: { edge: "cloudfront", apiGatewayUrl: "" },
    after: onlyUpdatesTheDistribution,
  },
  {
    when: "clients are to connect to the load balancer itself: the name leads there when tasks answer, then CloudFront goes",
    config: { edge: "load-balancer" },
    asks: [
      [
        "create Listener websocket-open-http",
        "create Listener websocket-open-https",
        "create LoadBalancer websocket-open",
        "create SecurityGroup websocket-open",
        "create SecurityGroupEgressRule websocket-open-to-tasks",
        "create SecurityGroupIngressRule tasks-from-websocket-open",
        "create SecurityGroupIngressRule websocket-open-from-everyone-http",
        "create SecurityGroupIngressRule websocket-open-from-everyone-https",
        "create Service websocket-service",
        "create TargetGroup websocket-open",
        // The tasks trust one proxy less.
        "create TaskDefinition websocket-service",
      ],
      [
        "create Policy scaling-requests",
        "create Target scaling-tasks",
        "update Record domain-A aliases",
        "update Record domain-AAAA aliases",
      ],
      [
        "delete Distribution edge",
        "delete Listener websocket-http",
        "delete ListenerRule websocket-X-Origin-Renamed-5",
        "delete LoadBalancer websocket",
        "delete LogDelivery edge-access-log",
        "delete LogDeliveryDestination edge-access-log",
        "delete LogDeliverySource edge-access-log",
        "delete Policy scaling-requests",
        "delete RandomPassword origin-secret-4",
        "delete RandomPassword origin-secret-5",
        "delete SecurityGroup websocket",
        "delete SecurityGroupEgressRule websocket-to-tasks",
        "delete SecurityGroupIngressRule tasks-from-websocket",
        "delete SecurityGroupIngressRule websocket-from-cloudfront",
        "delete Service websocket-service",
        "delete Target scaling-tasks",
        "delete TargetGroup websocket",
        "delete TaskDefinition websocket-service",
      ],
    ],
  },
];

/** The life of a stack that begins with one task and no backplane, and with a failure. */
export const BEGINNINGS: readonly Transition[] = [
  {
    when: "ECS fails while it is created, and the update says what and why",
    config: { backplane: "memory", maxTasks: "1" },
    before: ({ cloud }) => {
      cloud.setFailure(SERVICE, "InvalidParameterException: the target group has no load balancer");
    },
    run: failingUpdate(/Service.*websocket-service[^]*InvalidParameterException: the target group has no/),
  },
  {
    when: "that is tried again, which creates only what is missing: CloudFront has waited for it",
    asks: [
      "create Service websocket-service",
      [
        "create Distribution edge",
        "create LogDelivery edge-access-log",
        "create LogDeliverySource edge-access-log",
        "create Policy scaling-requests",
        "create Target scaling-tasks",
      ],
    ],
  },
  {
    when: "the backplane is switched on, for more than one task",
    config: { backplane: "valkey", maxTasks: "5" },
    asks: [
      [
        "create MetricAlarm backplane-evictions",
        "create Parameter backplane-password-1",
        "create RandomId backplane-id",
        "create RandomPassword backplane-password-1",
        "create SecurityGroup backplane",
        "create SecurityGroupEgressRule tasks-to-backplane",
        "create SecurityGroupIngressRule backplane-from-tasks",
        "create ServerlessCache backplane",
        "create User backplane-tasks",
        "create UserGroup backplane-users",
        "update RolePolicy websocket-service-execution-policy policy",
      ],
      "create TaskDefinition websocket-service",
      // From one task after the other to one beside the other.
      "update Service websocket-service availabilityZoneRebalancing deploymentMaximumPercent deploymentMinimumHealthyPercent taskDefinition",
      "update Target scaling-tasks maxCapacity",
      "delete TaskDefinition websocket-service",
    ],
  },
  {
    when: "an update is interrupted while ECS works: what has begun is finished and known, and nothing else begins",
    config: { logLevel: "debug" },
    before: ({ cloud }) => {
      cloud.setStuck(SERVICE);
    },
    run: async (project) => {
      const { code } = await project.interruptedRun(
        /Service websocket-service updating/,
        ...["up", "--yes", "--skip-preview"],
      );
      assert.notEqual(code, 0);
    },
    asks: NEW_TASKS.slice(0, 2),
  },
  {
    when: "it is updated again, which ends what was interrupted",
    asks: NEW_TASKS.slice(2),
  },
];

/** What there was before the stack was destroyed. */
let left: readonly Resource[] = [];

/** The life of a stack that is protected and keeps its data, from `Pulumi.prod.yaml`. */
export const ENDINGS: readonly Transition[] = [
  {
    when: "it is created with two tasks, after a preview",
    run: async (project) => {
      const output = await project.pulumi("up", "--yes");
      assert.match(output, /Previewing update \(prod\)/);
    },
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 2);
    },
  },
  {
    when: "it is to get another edge, which its protection refuses where there is a preview, and nothing happens to it",
    config: { originAccess: "public" },
    run: failingUpdateAfterPreview(/websocket-service[^]*marked for protection/),
    asks: [],
  },
  {
    when: "its protection is lifted in the file that has the new edge: what is not declared any more keeps it",
    config: { protect: "false" },
    run: failingUpdateAfterPreview(/LoadBalancer.*websocket-vpc[^]*cannot be deleted[^]*protected/),
    asks: [],
  },
  {
    when: "it is to be destroyed, which its protection refuses, and nothing happens to it",
    run: (project) => refusedDestroy(project, "--yes"),
    asks: [],
  },
  {
    when: "it is to be destroyed without the preview that sees the protection: what carries its traffic stays",
    run: (project) => refusedDestroy(project, "--yes", "--skip-preview"),
    after: ({ cloud }) => {
      const deleted = cloud.changes().map(({ type }) => type);
      for (const type of CARRIERS) assert.ok(!deleted.includes(type), type);
    },
  },
  {
    when: "its protection is lifted, which brings back what was lost",
    config: { originAccess: "private", protect: "false" },
    after: ({ cloud }) => {
      assert.ok(cloud.changes().every(({ method }) => method === "create"));
    },
  },
  {
    when: "then it gets another edge",
    config: { originAccess: "public" },
    after: onlyUpdatesTheDistribution,
  },
  {
    when: "it is destroyed, and leaves logs and images",
    run: async (project) => {
      left = await resources(project);
      await project.pulumi("destroy", "--yes", "--skip-preview");
      assert.deepEqual(notDeleted(left, project.cloud), [...KEPT, IMAGE]);
    },
  },
  {
    when: "it is created again: logs and images are imported, and not made anew",
    run: async (project) => {
      await importKept(left, project);
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

/** Pulumi writes down what it would create; a person fills in the ids of what there is, and takes the rest out. */
async function importKept(existing: readonly Resource[], project: Project): Promise<void> {
  await project.pulumi("preview", "--import-file", IMPORT_FILE);
  const file = join(project.folder, IMPORT_FILE);
  // As `pulumi import --help` shows it.
  const { resources: wanted } = JSON.parse(readFileSync(file, "utf8")) as {
    resources: readonly { type: string; name: string; logicalName?: string }[];
  };
  const filled = wanted.flatMap((entry) => {
    // What the others stand under.
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
