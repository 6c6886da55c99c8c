/** The differences between two evaluations of a stack, and how a running stack applies each of them. */
import { isDeepStrictEqual } from "node:util";
import type { DeclaredDistribution } from "./edge/distribution.ts";
import type { DeclaredLoadBalancer } from "./loadBalancer/loadBalancer.ts";
import type { ServicePath, StackParts } from "./parts.ts";
import type { DeclaredService } from "./service.ts";

export interface PartChange {
  /** Such as `target group websocket`. */
  readonly part: string;
  /** `restart`: the running stack cannot apply the change. */
  readonly apply: "deployment" | "in place" | "restart";
}

/** The changed parts, from the viewer to the tasks. */
export function compareParts(before: StackParts, after: StackParts): readonly PartChange[] {
  return [
    ...change("API Gateway", "restart", before.apiGatewayEdge, after.apiGatewayEdge),
    ...(before.servicePath === undefined || after.servicePath === undefined
      ? change("service", "restart", before.servicePath, after.servicePath)
      : comparePaths(before.servicePath, after.servicePath)),
  ];
}

/** The parts that run after the changes: those that need a restart stay as they are. */
export function partsAfter(
  before: StackParts,
  after: StackParts,
  changes: readonly PartChange[],
): StackParts {
  const restarts = new Set(changes.filter(({ apply }) => apply === "restart").map(({ part }) => part));
  const from = (part: string): StackParts => (restarts.has(part) ? before : after);
  const old = before.servicePath;
  const next = after.servicePath;
  return {
    apiGatewayEdge: from("API Gateway").apiGatewayEdge,
    unsupported: after.unsupported,
    servicePath:
      old === undefined || next === undefined
        ? old
        : {
            ...next,
            edge: from("edge").servicePath?.edge,
            loadBalancers: restarts.has("load balancer") ? old.loadBalancers : next.loadBalancers,
            targetGroups: restarts.has("target groups") ? old.targetGroups : next.targetGroups,
            backplane: from("backplane").servicePath?.backplane,
            scaling: restarts.has("scaling") ? old.scaling : next.scaling,
            webSocketPath: restarts.has("path of WebSockets") ? old.webSocketPath : next.webSocketPath,
            service: restarts.has("service")
              ? { ...next.service, ...fixedOfService(old.service) }
              : next.service,
          },
  };
}

function comparePaths(before: ServicePath, after: ServicePath): readonly PartChange[] {
  return [
    ...change("edge", "restart", fixedOfEdge(before.edge), fixedOfEdge(after.edge), () =>
      change("edge", "in place", before.edge, after.edge),
    ),
    ...change(
      "load balancer",
      "restart",
      before.loadBalancers.map(fixedOfLoadBalancer),
      after.loadBalancers.map(fixedOfLoadBalancer),
      () => change("load balancer", "in place", before.loadBalancers, after.loadBalancers),
    ),
    ...change("target groups", "restart", arnsOf(before), arnsOf(after), () =>
      after.targetGroups.flatMap((group, index) =>
        change(`target group ${group.name}`, "in place", before.targetGroups[index], group),
      ),
    ),
    ...change("backplane", "restart", before.backplane, after.backplane),
    ...change("path of WebSockets", "restart", before.webSocketPath, after.webSocketPath),
    // An autoscaler that appears has no clock, and one that disappears has no end.
    ...change("scaling", "restart", before.scaling === undefined, after.scaling === undefined, () =>
      change("scaling", "in place", before.scaling, after.scaling),
    ),
    ...change("service", "restart", fixedOfService(before.service), fixedOfService(after.service)),
    ...change("service", "in place", rulesOfService(before.service), rulesOfService(after.service)),
    ...change("container", "deployment", before.service.container, after.service.container),
  ];
}

/** @param otherwise the changes of two equal values. */
function change(
  part: string,
  apply: PartChange["apply"],
  before: unknown,
  after: unknown,
  otherwise: () => readonly PartChange[] = () => [],
): readonly PartChange[] {
  return isDeepStrictEqual(before, after) ? otherwise() : [{ part, apply }];
}

/** The server of an origin, its certificate and its headers depend on these. */
function fixedOfEdge(edge: DeclaredDistribution | undefined): unknown {
  return (
    edge && [
      edge.name,
      edge.domainName,
      edge.aliases,
      edge.origins.map(({ id, domainName, protocol, port, server }) => ({
        id,
        domainName,
        protocol,
        port,
        server,
      })),
    ]
  );
}

/** The ports and the timeouts of the local servers depend on these. */
function fixedOfLoadBalancer(loadBalancer: DeclaredLoadBalancer): unknown {
  const { arn, dnsName, internal, idleTimeoutSeconds, clientKeepAliveSeconds, listeners } = loadBalancer;
  return [
    { arn, dnsName, internal, idleTimeoutSeconds, clientKeepAliveSeconds },
    listeners.map(({ name, protocol, port }) => ({ name, protocol, port })),
  ];
}

function arnsOf({ targetGroups }: ServicePath): readonly string[] {
  return targetGroups.map(({ arn }) => arn);
}

function fixedOfService({
  name,
  targetGroupArn,
}: DeclaredService): Pick<DeclaredService, "name" | "targetGroupArn"> {
  return { name, targetGroupArn };
}

/** The desired count is not among them: as on AWS, the autoscaler owns it after the start. */
function rulesOfService(service: DeclaredService): unknown {
  const { percentages, circuitBreaker, healthCheckGraceSeconds, maxCount, zones, cpuUnits } = service;
  return { percentages, circuitBreaker, healthCheckGraceSeconds, maxCount, zones, cpuUnits };
}
