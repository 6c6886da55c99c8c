/** The parts of a declared stack that are emulated: the path to its service, and the edge of its API Gateway. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type DeclaredGraph, findResources } from "../../infra/evaluation/graph.ts";
import { type DeclaredBackplane, readBackplane } from "./backplane.ts";
import { type DeclaredDistribution, DISTRIBUTION, readDistributions } from "./edge/distribution.ts";
import { readExistingLoadBalancers } from "./loadBalancer/existingListener.ts";
import { type DeclaredLoadBalancer, readLoadBalancers } from "./loadBalancer/loadBalancer.ts";
import { withLocalHosts } from "./loadBalancer/localHosts.ts";
import { type DeclaredTargetGroup, readTargetGroups } from "./loadBalancer/targetGroup.ts";
import { type DeclaredScaling, readScaling, unmeasuredPolicies } from "./scaling/declaredScaling.ts";
import { type DeclaredService, readService, SERVICE_TYPE } from "./service.ts";
import type { UnsupportedResource } from "./unsupported.ts";
import { findWebSocketUrl } from "./webSocketUrl.ts";

export interface StackParts {
  /** `undefined` if the stack has no service. */
  readonly servicePath: ServicePath | undefined;
  /** `undefined` if the stack has no API Gateway, or no server emulates it. */
  readonly apiGatewayEdge: DeclaredDistribution | undefined;
  /** Unsupported resources of types that are emulated. */
  readonly unsupported: readonly UnsupportedResource[];
}

export interface ServicePath {
  /** `undefined` if the load balancer is the edge. */
  readonly edge: DeclaredDistribution | undefined;
  readonly loadBalancers: readonly DeclaredLoadBalancer[];
  readonly targetGroups: readonly DeclaredTargetGroup[];
  readonly service: DeclaredService;
  /** `undefined` if the stack does not declare autoscaling. */
  readonly scaling: DeclaredScaling | undefined;
  readonly backplane: DeclaredBackplane | undefined;
  /** The path at which clients connect. */
  readonly webSocketPath: string;
}

export interface PartsOptions {
  /** Name of the service, if the stack has several. */
  readonly service?: string | undefined;
  /** Number of tasks. @default what the stack declares */
  readonly tasks?: number | undefined;
  /** URL of the WebSocket server that emulates the API Gateway. */
  readonly apiGatewayOrigin?: URL | undefined;
}

const NO_API_GATEWAY =
  "no server of this machine emulates its API Gateway. Fix: pass `--api-gateway-origin ws://127.0.0.1:PORT/STAGE`";

/**
 * @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate, or an option that does not fit
 * the stack.
 */
export function readParts(graph: DeclaredGraph, { tasks, apiGatewayOrigin }: PartsOptions): StackParts {
  const distributions = readDistributions(graph);
  const isApiGatewayEdge = ({ origins }: DeclaredDistribution): boolean =>
    origins.every(({ server }) => server.type === "api-gateway");
  const apiGatewayEdge = atMostOne(graph, distributions.filter(isApiGatewayEdge));
  const edge = atMostOne(
    graph,
    distributions.filter((distribution) => !isApiGatewayEdge(distribution)),
  );

  if (apiGatewayEdge === undefined && apiGatewayOrigin !== undefined) {
    throw new ExpectedError(
      `\`--api-gateway-origin\`: got ${apiGatewayOrigin.href}; expected no value: stack ${graph.stack} has no API Gateway.`,
    );
  }
  const isEmulated = apiGatewayOrigin !== undefined;
  const hasService = apiGatewayEdge === undefined || findResources(graph, SERVICE_TYPE).length > 0;
  if (!hasService && !isEmulated) {
    throw new ExpectedError(`Stack ${graph.stack} cannot be emulated: ${NO_API_GATEWAY}`);
  }
  return {
    servicePath: hasService ? readServicePath(graph, edge, tasks) : undefined,
    apiGatewayEdge: isEmulated ? apiGatewayEdge : undefined,
    unsupported: [
      ...unmeasuredPolicies(graph),
      ...(apiGatewayEdge === undefined || isEmulated
        ? []
        : [{ type: DISTRIBUTION, name: apiGatewayEdge.name, reason: NO_API_GATEWAY }]),
    ],
  };
}

function readServicePath(
  graph: DeclaredGraph,
  edge: DeclaredDistribution | undefined,
  tasks: number | undefined,
): ServicePath {
  const service = readService(graph, tasks);
  const loadBalancers = [
    ...readLoadBalancers(graph),
    ...readExistingLoadBalancers(graph, (arn) => isPlainOrigin(edge, arn)),
  ];
  return {
    edge,
    loadBalancers: loadBalancers.map((loadBalancer) => withLocalHosts(loadBalancer, service.targetGroupArn)),
    targetGroups: readTargetGroups(graph),
    service,
    scaling: readScaling(graph),
    backplane: readBackplane(graph),
    webSocketPath: findWebSocketUrl(graph)?.pathname ?? "/",
  };
}

/** Whether the edge connects to the load balancer by HTTP. */
function isPlainOrigin(edge: DeclaredDistribution | undefined, loadBalancerArn: string): boolean {
  return (edge?.origins ?? []).some(
    ({ protocol, server }) =>
      protocol === "http" && server.type === "load-balancer" && server.arn === loadBalancerArn,
  );
}

function atMostOne(
  graph: DeclaredGraph,
  found: readonly DeclaredDistribution[],
): DeclaredDistribution | undefined {
  const [distribution, ...others] = found;
  if (others.length > 0) {
    const names = found.map(({ name }) => name).join(", ");
    throw new ExpectedError(
      `Stack ${graph.stack} has the distributions ${names}; the local stack supports one for the service and one for an API Gateway.`,
    );
  }
  return distribution;
}
