/** A small graph with every part of the path, whose values differ from all defaults. */
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";

type Fields = Readonly<Record<string, unknown>>;

export const SECRET = "s3cretValue";
export const SECRET_HEADER = "X-From-Edge";
/** The headers of a request that passes the load balancer without the edge. */
export const WITH_SECRET = { [SECRET_HEADER]: SECRET };
const DNS_NAME = "balancer.internal.example";
export const BACKPLANE_USER = { name: "tasks", password: "s3cretPassword" } as const;
const BACKPLANE_ADDRESS = "cache.internal.example";

export function resource(type: string, name: string, inputs: Fields, outputs: Fields = {}): DeclaredResource {
  return {
    type,
    name,
    urn: `urn:${type}::${name}`,
    parent: undefined,
    provider: "",
    custom: true,
    inputs,
    secretInputs: [],
    dependencies: [],
    id: name,
    outputs: { arn: `arn:${name}`, ...outputs },
    options: {
      dependsOn: [],
      ignoreChanges: [],
      replaceOnChanges: [],
      protect: false,
      retainOnDelete: false,
    },
  };
}

export function graphOf(
  resources: readonly DeclaredResource[],
  warnings: readonly string[] = [],
): DeclaredGraph {
  return {
    stack: "test",
    folder: import.meta.dirname,
    resources,
    outputs: { websocketUrl: "wss://edge.example/chat" },
    secretOutputs: [],
    warnings,
  };
}

/** Inputs that a test changes, by resource. */
export interface Changes {
  readonly loadBalancer?: Fields;
  readonly listener?: Fields;
  readonly targetGroup?: Fields;
  readonly healthCheck?: Fields;
  readonly container?: Fields;
  readonly environment?: Readonly<Record<string, string>>;
  readonly service?: Fields;
  readonly scaling?: Fields;
  readonly behavior?: Fields;
  readonly originConfig?: Fields;
  readonly distribution?: Fields;
  readonly rules?: readonly DeclaredResource[];
  /** A declared backplane, with its endpoint in BACKPLANE_URL and its password in BACKPLANE_PASSWORD. */
  readonly backplane?: Fields;
  readonly warnings?: readonly string[];
}

/** Edge → load balancer (only with the secret header) → one to three tasks. */
export function wholePath(changes: Changes = {}): DeclaredGraph {
  const backplane = changes.backplane === undefined ? [] : backplaneResources(changes.backplane);
  const forward = rule(7, [{ httpHeader: { httpHeaderName: SECRET_HEADER, values: [SECRET] } }], {
    type: "forward",
    targetGroupArn: "arn:group",
  });
  return graphOf(
    [
      resource(
        "aws:lb/loadBalancer:LoadBalancer",
        "balancer",
        { idleTimeout: 40, dropInvalidHeaderFields: true, ...changes.loadBalancer },
        { dnsName: DNS_NAME },
      ),
      resource("aws:lb/targetGroup:TargetGroup", "group", {
        port: 9000,
        protocol: "HTTP",
        targetType: "ip",
        deregistrationDelay: 1,
        loadBalancingAlgorithmType: "least_outstanding_requests",
        healthCheck: {
          path: "/alive",
          interval: 0.1,
          timeout: 4,
          unhealthyThreshold: 2,
          ...changes.healthCheck,
        },
        ...changes.targetGroup,
      }),
      resource("aws:lb/listener:Listener", "http", {
        loadBalancerArn: "arn:balancer",
        port: 8000,
        protocol: "HTTP",
        defaultActions: [
          {
            type: "fixed-response",
            fixedResponse: { statusCode: "403", contentType: "text/plain", messageBody: "go away" },
          },
        ],
        ...changes.listener,
      }),
      ...(changes.rules ?? [forward]),
      resource("awsx:ecs:FargateService", "service", {
        loadBalancers: [{ targetGroupArn: "arn:group", containerName: "server", containerPort: 9000 }],
        deploymentCircuitBreaker: { enable: true, rollback: true },
        taskDefinitionArgs: {
          container: {
            name: "server",
            image: "none",
            portMappings: [{ containerPort: 9000 }],
            stopTimeout: 2,
            healthCheck: {
              command: ["CMD", "node", "server.mjs", "health"],
              interval: 30,
              timeout: 5,
              retries: 2,
            },
            environment: Object.entries({
              PORT: "9000",
              GREETING: "declared",
              [settingDefinitions.serviceName.variable]: "fixture",
              ...(changes.backplane && {
                BACKPLANE_URL: `rediss://${BACKPLANE_USER.name}@${BACKPLANE_ADDRESS}:7000`,
              }),
              ...changes.environment,
            }).map(([name, value]) => ({ name, value })),
            ...(changes.backplane && {
              secrets: [{ name: "BACKPLANE_PASSWORD", valueFrom: "arn:password" }],
            }),
            ...changes.container,
          },
        },
        ...changes.service,
      }),
      resource("aws:appautoscaling/target:Target", "scaling", {
        scalableDimension: "ecs:service:DesiredCount",
        minCapacity: 1,
        maxCapacity: 3,
        ...changes.scaling,
      }),
      resource(
        "aws:cloudfront/distribution:Distribution",
        "edge",
        {
          defaultRootObject: "start.html",
          origins: [
            {
              originId: "balancer",
              domainName: DNS_NAME,
              customOriginConfig: {
                originProtocolPolicy: "http-only",
                httpPort: 8000,
                originReadTimeout: 5,
                ...changes.originConfig,
              },
              customHeaders: [{ name: SECRET_HEADER, value: SECRET }],
            },
          ],
          defaultCacheBehavior: {
            targetOriginId: "balancer",
            viewerProtocolPolicy: "https-only",
            allowedMethods: ["GET", "HEAD", "POST"],
            originRequestPolicyId: "216adef6-5c7f-47e4-b989-5492eafa07d3",
            ...changes.behavior,
          },
          ...changes.distribution,
        },
        { domainName: "edge.example" },
      ),
      ...backplane,
    ],
    changes.warnings,
  );
}

export function rule(priority: number, conditions: readonly Fields[], action: Fields): DeclaredResource {
  return resource("aws:lb/listenerRule:ListenerRule", `rule-${priority}`, {
    listenerArn: "arn:http",
    priority,
    conditions,
    actions: [action],
  });
}

function backplaneResources(cache: Fields): readonly DeclaredResource[] {
  const { name, password } = BACKPLANE_USER;
  return [
    resource(
      "aws:elasticache/serverlessCache:ServerlessCache",
      "cache",
      {
        engine: "valkey",
        majorEngineVersion: "9",
        userGroupId: "group",
        cacheUsageLimits: { dataStorage: { maximum: 4, unit: "GB" } },
        ...cache,
      },
      { endpoints: [{ address: BACKPLANE_ADDRESS, port: 7000 }] },
    ),
    resource("aws:elasticache/userGroup:UserGroup", "group", { userGroupId: "group", userIds: ["one"] }),
    resource("aws:elasticache/user:User", "user", {
      userId: "one",
      userName: name,
      accessString: "on ~key* -@all +xadd +client|setname",
      authenticationMode: { type: "password", passwords: [password] },
    }),
    resource("aws:ssm/parameter:Parameter", "password", { type: "SecureString", value: password }),
  ];
}
