/**
 * The declared inputs that the local stack ignores. Every input of an emulated resource is either read, or has no effect here for a
 * reason in {@link WITHOUT_EFFECT}, or is reported.
 */
import type { Coverage, Limitation } from "./coverage.ts";
import type { DeclaredInput, InputReads } from "./inputs.ts";

const NETWORK = "the loopback interface replaces the network";
const MACHINE =
  "tasks are processes that share this machine, and run the server's sources instead of an image";
const CERTIFICATES =
  "a self-signed certificate and the TLS versions of Node.js replace those that are declared";
const LOGS = "logs are printed and not stored";
const DEPLOYMENT = "it describes the resource or configures the deployment";
const IMPLIED = "the type of the resource implies it";
const HTTP1 = "clients use HTTP/1.1, which WebSockets need";

/** The service whose number of tasks an autoscaler changes. A stack has one service. */
const SCALED_SERVICE = ["resourceId", "scalableDimension=ecs:service:DesiredCount", "serviceNamespace=ecs"];

/**
 * Inputs without an effect that a client of the local stack could observe: by type, the reasons and the paths. A path includes
 * everything below it. `PATH=VALUE` applies to this value only.
 */
const WITHOUT_EFFECT: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "aws:appautoscaling/policy:Policy": {
    [IMPLIED]: [
      ...SCALED_SERVICE,
      "targetTrackingScalingPolicyConfiguration.customizedMetricSpecification.unit",
      "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.resourceLabel",
    ],
  },
  "aws:appautoscaling/scheduledAction:ScheduledAction": { [DEPLOYMENT]: ["name"], [IMPLIED]: SCALED_SERVICE },
  "aws:appautoscaling/target:Target": { [IMPLIED]: SCALED_SERVICE },
  "aws:cloudfront/distribution:Distribution": {
    [NETWORK]: ["isIpv6Enabled", "priceClass", "restrictions.geoRestriction.restrictionType=none"],
    [CERTIFICATES]: ["viewerCertificate", "origins[].customOriginConfig.originSslProtocols"],
    [DEPLOYMENT]: ["comment", "enabled=true"],
    [HTTP1]: ["httpVersion"],
    "the policy disables caching, and the local edge has no cache": [
      "defaultCacheBehavior.cachePolicyId=4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
      "orderedCacheBehaviors[].cachePolicyId=4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
      "defaultCacheBehavior.cachedMethods",
      "orderedCacheBehaviors[].cachedMethods",
    ],
    "the edge keeps no connections to an origin": [
      "origins[].customOriginConfig.originKeepaliveTimeout",
      "origins[].vpcOriginConfig.originKeepaliveTimeout",
    ],
    "the origin protocol policy selects the other port": [
      "origins[].customOriginConfig.httpPort",
      "origins[].customOriginConfig.httpsPort",
    ],
  },
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": { [DEPLOYMENT]: ["comment", "name"] },
  "aws:cloudfront/vpcOrigin:VpcOrigin": {
    [CERTIFICATES]: ["vpcOriginEndpointConfig.originSslProtocols"],
    [DEPLOYMENT]: ["timeouts", "vpcOriginEndpointConfig.name"],
    "the origin protocol policy selects the other port": [
      "vpcOriginEndpointConfig.httpPort",
      "vpcOriginEndpointConfig.httpsPort",
    ],
  },
  "aws:elasticache/serverlessCache:ServerlessCache": {
    [NETWORK]: ["securityGroupIds", "subnetIds"],
    [DEPLOYMENT]: ["description", "name"],
    [IMPLIED]: ["cacheUsageLimits.dataStorage.unit=GB"],
    "ElastiCache processing units are not counted here": ["cacheUsageLimits.ecpuPerSeconds"],
  },
  "aws:elasticache/user:User": { [IMPLIED]: ["engine=valkey", "authenticationMode.type=password"] },
  "aws:elasticache/userGroup:UserGroup": { [IMPLIED]: ["engine=valkey"] },
  "aws:lb/listener:Listener": { [CERTIFICATES]: ["certificateArn", "sslPolicy"] },
  "aws:lb/loadBalancer:LoadBalancer": {
    [NETWORK]: ["securityGroups", "subnets"],
    [LOGS]: ["accessLogs", "connectionLogs", "healthCheckLogs"],
    [DEPLOYMENT]: ["enableDeletionProtection", "name"],
    [HTTP1]: ["enableHttp2"],
  },
  "aws:lb/targetGroup:TargetGroup": {
    [NETWORK]: ["vpcId"],
    [DEPLOYMENT]: ["name"],
    "it is off": [
      "loadBalancingAnomalyMitigation=off",
      "slowStart=0",
      "stickiness.type",
      "stickiness.cookieDuration",
    ],
  },
  "awsx:ecs:FargateService": {
    [NETWORK]: ["networkConfiguration", "availabilityZoneRebalancing"],
    [MACHINE]: [
      "taskDefinitionArgs.memory",
      "taskDefinitionArgs.runtimePlatform",
      "taskDefinitionArgs.container.cpu",
      "taskDefinitionArgs.container.image",
      "taskDefinitionArgs.container.essential=true",
      "taskDefinitionArgs.container.linuxParameters",
      "taskDefinitionArgs.container.name",
      "taskDefinitionArgs.container.portMappings[].hostPort",
      "taskDefinitionArgs.container.portMappings[].protocol=tcp",
      "taskDefinitionArgs.container.ulimits",
      "taskDefinitionArgs.executionRole",
      "taskDefinitionArgs.taskRole",
      "enableExecuteCommand",
    ],
    [LOGS]: ["taskDefinitionArgs.container.logConfiguration", "taskDefinitionArgs.logGroup"],
    [DEPLOYMENT]: ["cluster", "enableEcsManagedTags", "propagateTags", "taskDefinitionArgs.family"],
    "the scalable target sets the number of tasks": ["desiredCount"],
  },
};

const CONTAINERS = "taskDefinitionArgs.containers";

/**
 * Inputs of emulated resources that are neither read nor without an effect; one limitation per type.
 * @param sidecars names of containers that are not emulated, and are reported as a whole.
 */
export function ignoredInputs(
  reads: InputReads,
  covered: readonly Coverage[],
  sidecars: readonly string[] = [],
): readonly Limitation[] {
  const inputs = reads.unread();
  return covered.flatMap(({ type, names, treatment }) => {
    if (treatment !== "emulated") return [];
    const ignored = reads.graph.resources
      .filter((resource) => resource.type === type && names.includes(resource.name))
      .map(({ name, urn }) => ({
        name,
        paths: (inputs.get(urn) ?? [])
          .filter(({ path }) => !sidecars.some((name) => path.startsWith(`${CONTAINERS}.${name}.`)))
          .map(ofContainer)
          .filter((input) => !isWithoutEffect(type, input))
          .map(({ path }) => path),
      }))
      .filter(({ paths }) => paths.length > 0);
    if (ignored.length === 0) return [];
    const paths = [...new Set(ignored.flatMap(({ paths }) => paths))];
    return {
      types: [type],
      names: ignored.map(({ name }) => name),
      reason: `the local stack ignores ${paths.join(", ")}`,
    };
  });
}

/** A container among others has the inputs of one that is alone. */
function ofContainer({ path, value }: DeclaredInput): DeclaredInput {
  const [, rest] = path.split(/^taskDefinitionArgs\.containers\.[^.]+\./);
  return { path: rest === undefined ? path : `taskDefinitionArgs.container.${rest}`, value };
}

function isWithoutEffect(type: string, { path, value }: DeclaredInput): boolean {
  return Object.values(WITHOUT_EFFECT[type] ?? {})
    .flat()
    .some(
      (listed) =>
        listed === path ||
        listed === `${path}=${String(value)}` ||
        ["[", "."].some((separator) => path.startsWith(`${listed}${separator}`)),
    );
}
