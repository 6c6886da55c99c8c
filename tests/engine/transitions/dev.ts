import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { list, valueAt } from "../../support/values.ts";
import { theOnlyCall } from "../support/state.ts";
import { failingUpdate, update } from "../support/transition.ts";
import type { Transition } from "../support/transition.ts";
import { DISTRIBUTION, LISTENER_RULE, POLICY, SERVICE, USER } from "../support/types.ts";
import { assertDistributionUpdated, NEW_TASKS, POLICIES, RETARGET } from "./shared.ts";

/** A file in the build context of the image. */
const CONTENT = join("console", "extra.txt");

interface LoadBalancerResources {
  readonly name: string;
  readonly listener: "http" | "https";
  /** Calls for resources that are created or deleted with the load balancer. */
  readonly with?: readonly string[];
}

/**
 * Returns the calls of a change to another load balancer, which has another service. The new service is stable before CloudFront
 * uses it. The old service drains before its load balancer is deleted.
 */
function replaceLoadBalancer(
  next: LoadBalancerResources,
  last: LoadBalancerResources,
): NonNullable<Transition["calls"]> {
  const parts = (
    verb: "create" | "delete",
    { name, listener, with: others = [] }: LoadBalancerResources,
  ): string[] => [
    ...others,
    `${verb} Listener ${name}-${listener}`,
    `${verb} LoadBalancer ${name}`,
    `${verb} SecurityGroup ${name}`,
    `${verb} SecurityGroupEgressRule ${name}-to-tasks`,
    `${verb} SecurityGroupIngressRule ${name}-tasks-ingress`,
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
    [
      ...POLICIES.map((policy) => `create ${policy}`),
      "create Target websocket-scaling-tasks",
      "update Distribution websocket-edge origins",
    ],
    POLICIES.map((policy) => `delete ${policy}`),
    "delete Target websocket-scaling-tasks",
    "delete Service websocket-service",
    `delete ListenerRule ${last.name}-${rule}`,
    parts("delete", last),
  ];
}

/** The certificate of the load balancer. */
const ORIGIN_CERTIFICATE = [
  "Certificate websocket-origin-certificate-load-balancer",
  "CertificateValidation websocket-origin-certificate-load-balancer",
  "Record websocket-origin-certificate-proof",
] as const;

/** Transitions of the stack dev, which has a backplane. */
export const DEV_TRANSITIONS: readonly Transition[] = [
  {
    when: "the thresholds of autoscaling change",
    config: { requestsPerTarget: "7", scaleOutCooldownSeconds: "30" },
    calls: [RETARGET],
  },
  {
    when: "a threshold becomes 0",
    config: { connectionsPerTask: "0" },
    calls: ["delete Policy websocket-scaling-connections"],
  },
  {
    when: "the threshold is above 0 again",
    config: { connectionsPerTask: "6" },
    calls: ["create Policy websocket-scaling-connections"],
  },
  {
    when: "the minimum of tasks is raised: running tasks continue",
    config: { minTasks: "2" },
    calls: ["update Target websocket-scaling-tasks minCapacity"],
  },
  {
    when: "scheduled actions are added, which then set the range of the tasks",
    config: {
      minTasks: "3",
      scheduledScaling: ["cron(0 8 ? * MON-FRI *) 2-5 Europe/Berlin", "cron(0 18 ? * MON-FRI *) 1-2"],
    },
    calls: [
      [
        "create ScheduledAction websocket-scaling-schedule-1",
        "create ScheduledAction websocket-scaling-schedule-2",
      ],
    ],
  },
  {
    when: "the scheduled actions are removed: the range is that of the configuration again",
    config: { minTasks: "2", scheduledScaling: [] },
    calls: [
      [
        "delete ScheduledAction websocket-scaling-schedule-1",
        "delete ScheduledAction websocket-scaling-schedule-2",
      ],
    ],
  },
  {
    when: "CPU and memory of a task are raised",
    config: { cpu: "2048", memoryMiB: "4096" },
    calls: NEW_TASKS,
  },
  {
    when: "the retention of logs is raised",
    config: { logRetentionDays: "14" },
    calls: [
      [
        "update BucketLifecycleConfiguration websocket-logs-lifecycle rules",
        "update LogGroup websocket-service-exec retentionInDays",
        "update LogGroup websocket-service-insights retentionInDays",
        "update LogGroup websocket-service-log retentionInDays",
      ],
    ],
  },
  {
    when: "the maximum storage of the backplane is raised",
    config: { backplaneMaxGB: "2" },
    // The tasks get the new budget.
    calls: ["update ServerlessCache websocket-backplane cacheUsageLimits", ...NEW_TASKS],
  },
  {
    when: "a refresh finds changes that were made outside Pulumi: only declared values are restored",
    before: ({ cloud }) => {
      cloud.setDrift(POLICY, { targetTrackingScalingPolicyConfiguration: { targetValue: 1 } });
      cloud.setDrift(SERVICE, { desiredCount: 4 });
      // CloudFront returns these values with its default certificate.
      cloud.setDrift(DISTRIBUTION, {
        viewerCertificate: { cloudfrontDefaultCertificate: true, minimumProtocolVersion: "TLSv1" },
      });
    },
    run: async (project) => {
      await project.pulumi("refresh", "--run-program", "--yes", "--skip-preview");
      await update(project);
    },
    calls: [RETARGET],
  },
  {
    when: "a setting of the server changes: the number of tasks that autoscaling set remains",
    config: { heartbeatSeconds: "25" },
    calls: NEW_TASKS,
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "update", SERVICE).inputs?.["desiredCount"], 4);
    },
  },
  {
    when: "the content of the image changes",
    before: ({ folder }) => {
      writeFileSync(join(folder, CONTENT), "new content");
    },
    calls: [
      "create RandomId websocket-service-change",
      "create Image CONTENT",
      ...NEW_TASKS.slice(0, 2),
      ["delete TaskDefinition websocket-service", "delete RandomId websocket-service-change"],
    ],
  },
  {
    when: "the image gets its earlier content again: it is built with a new tag",
    before: ({ folder }) => {
      rmSync(join(folder, CONTENT));
    },
    calls: [
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
    calls: [
      "create ListenerRule websocket-X-Origin-Renamed-1",
      "update Distribution websocket-edge origins",
      "delete ListenerRule websocket-X-Origin-Secret-1",
    ],
  },
  {
    when: "the origin secret is rotated",
    config: { originSecretGeneration: "2" },
    calls: [
      "create RandomPassword websocket-origin-secret-2",
      "create ListenerRule websocket-X-Origin-Renamed-2",
      "update Distribution websocket-edge origins",
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
    when: "the origin secret is rotated again",
    config: { originSecretGeneration: "3" },
    calls: [
      "create RandomPassword websocket-origin-secret-3",
      "create ListenerRule websocket-X-Origin-Renamed-3",
      "update Distribution websocket-edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-2",
      "delete RandomPassword websocket-origin-secret-1",
    ],
  },
  {
    when: "the origin secret is rotated by two generations at once, which revokes the last one",
    config: { originSecretGeneration: "5" },
    calls: [
      ["create RandomPassword websocket-origin-secret-5", "create RandomPassword websocket-origin-secret-4"],
      "create ListenerRule websocket-X-Origin-Renamed-5",
      "update Distribution websocket-edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-3",
      ["delete RandomPassword websocket-origin-secret-3", "delete RandomPassword websocket-origin-secret-2"],
    ],
  },
  {
    when: "the origin secret is rotated and CloudFront fails: the rule for the old secret remains",
    config: { originSecretGeneration: "6" },
    before: ({ cloud }) => {
      cloud.setFailure(DISTRIBUTION, "ServiceUnavailable: CloudFront encountered an internal error");
    },
    run: failingUpdate(/Distribution.*edge[^]*ServiceUnavailable: CloudFront encountered an internal error/),
    calls: [
      "create RandomPassword websocket-origin-secret-6",
      "create ListenerRule websocket-X-Origin-Renamed-6",
    ],
  },
  {
    when: "the failed update is repeated",
    calls: [
      "update Distribution websocket-edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-5",
      "delete RandomPassword websocket-origin-secret-4",
    ],
  },
  {
    when: "the generation of the origin secret is decremented",
    config: { originSecretGeneration: "5" },
    calls: [
      "create RandomPassword websocket-origin-secret-4",
      "create ListenerRule websocket-X-Origin-Renamed-5",
      "update Distribution websocket-edge origins",
      "delete ListenerRule websocket-X-Origin-Renamed-6",
      "delete RandomPassword websocket-origin-secret-6",
    ],
  },
  {
    when: "the password of the backplane is rotated: both are accepted before tasks use the new one",
    config: { backplanePasswordGeneration: "2" },
    calls: [
      "create RandomPassword websocket-backplane-password-2",
      [
        "create Parameter websocket-backplane-password-2",
        "update User websocket-backplane-tasks authenticationMode",
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
    when: "the domain does not belong to the zone: a preview fails",
    config: { domain: "ws.example.org", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
    run: async (project) => {
      const { code, stdout } = await project.run("preview");
      assert.notEqual(code, 0);
      assert.match(
        stdout,
        /Z0123456789ABCDEFGHIJ, which is the zone example\.com; expected the zone of ws\.example\.org/,
      );
    },
    calls: [],
  },
  {
    when: "a domain is added: CloudFront accepts the name before the records exist",
    config: { domain: "ws.example.com", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
    calls: [
      "create Certificate websocket-domain-certificate-cloudfront",
      "create Record websocket-domain-certificate-proof",
      "create CertificateValidation websocket-domain-certificate-cloudfront",
      "update Distribution websocket-edge viewerCertificate aliases",
      ["create Record websocket-domain-A", "create Record websocket-domain-AAAA"],
    ],
  },
  {
    when: "the load balancer becomes internal: CloudFront uses the new one after its tasks are healthy",
    config: { originAccess: "private" },
    calls: replaceLoadBalancer(
      { name: "websocket-vpc", listener: "http", with: ["create VpcOrigin websocket-vpc-origin"] },
      { name: "websocket", listener: "http" },
    ),
    // A new service starts with minTasks.
    after: ({ cloud }) => {
      assert.equal(theOnlyCall(cloud, "create", SERVICE).inputs?.["desiredCount"], 2);
    },
  },
  {
    when: "CloudFront connects to the load balancer with TLS: a new VPC origin is created, because one in use cannot change",
    config: { originTls: "origin.example.com" },
    calls: replaceLoadBalancer(
      {
        name: "websocket-vpc-tls-fc4b76",
        listener: "https",
        with: [
          ...ORIGIN_CERTIFICATE.map((part) => `create ${part}`),
          "create VpcOrigin websocket-vpc-origin",
        ],
      },
      { name: "websocket-vpc", listener: "http", with: ["delete VpcOrigin websocket-vpc-origin"] },
    ),
  },
  {
    when: "the name of the origin changes: a new load balancer is created for its certificate",
    config: { originTls: "other.example.com" },
    calls: replaceLoadBalancer(
      {
        name: "websocket-vpc-tls-72752f",
        listener: "https",
        with: [
          ...ORIGIN_CERTIFICATE.map((part) => `create ${part}`),
          "create VpcOrigin websocket-vpc-origin",
        ],
      },
      {
        name: "websocket-vpc-tls-fc4b76",
        listener: "https",
        with: [
          ...ORIGIN_CERTIFICATE.map((part) => `delete ${part}`),
          "delete VpcOrigin websocket-vpc-origin",
        ],
      },
    ),
  },
  {
    when: "an API Gateway replaces the service behind the same distribution and domain",
    config: {
      edge: "api-gateway",
      apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
      originAccess: "public",
      originTls: "",
    },
    after: assertDistributionUpdated,
  },
  {
    when: "the service replaces the API Gateway again, with a public load balancer",
    config: { edge: "cloudfront", apiGatewayUrl: "" },
    after: assertDistributionUpdated,
  },
  {
    when: "clients connect to the load balancer: the records change after its tasks are healthy, then the distribution is deleted",
    config: { edge: "load-balancer" },
    calls: [
      [
        "create Certificate websocket-domain-certificate-load-balancer",
        "create CertificateValidation websocket-domain-certificate-load-balancer",
        "create Listener websocket-open-http",
        "create Listener websocket-open-https",
        "create LoadBalancer websocket-open",
        "create SecurityGroup websocket-open",
        "create SecurityGroupEgressRule websocket-open-to-tasks",
        "create SecurityGroupIngressRule websocket-open-tasks-ingress",
        "create SecurityGroupIngressRule websocket-open-from-everyone-http",
        "create SecurityGroupIngressRule websocket-open-from-everyone-https",
        "create Service websocket-service",
        "create TargetGroup websocket-open",
        // The tasks trust one proxy less.
        "create TaskDefinition websocket-service",
      ],
      [
        ...POLICIES.map((policy) => `create ${policy}`),
        "create Target websocket-scaling-tasks",
        "update Record websocket-domain-A aliases",
        "update Record websocket-domain-AAAA aliases",
      ],
      [
        "delete Certificate websocket-domain-certificate-cloudfront",
        "delete CertificateValidation websocket-domain-certificate-cloudfront",
        "delete Distribution websocket-edge",
        "delete Listener websocket-http",
        "delete ListenerRule websocket-X-Origin-Renamed-5",
        "delete LoadBalancer websocket",
        "delete LogDelivery websocket-edge-access-log",
        "delete LogDeliveryDestination websocket-edge-access-log",
        "delete LogDeliverySource websocket-edge-access-log",
        ...POLICIES.map((policy) => `delete ${policy}`),
        "delete RandomPassword websocket-origin-secret-4",
        "delete RandomPassword websocket-origin-secret-5",
        "delete SecurityGroup websocket",
        "delete SecurityGroupEgressRule websocket-to-tasks",
        "delete SecurityGroupIngressRule websocket-tasks-ingress",
        "delete SecurityGroupIngressRule websocket-from-cloudfront",
        "delete Service websocket-service",
        "delete Target websocket-scaling-tasks",
        "delete TargetGroup websocket",
        "delete TaskDefinition websocket-service",
      ],
    ],
  },
];
