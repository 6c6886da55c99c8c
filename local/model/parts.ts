/** The parts that a stack is played by: the way to its service, and the distribution in front of an API Gateway. */
import { type DeclaredGraph, ofType } from "../../infra/evaluation/graph.ts";
import { type Backplane, readBackplane } from "./backplane.ts";
import { Declared } from "./declared.ts";
import { type Distribution, DISTRIBUTION, readDistributions } from "./edge/distribution.ts";
import { type LoadBalancer, readLoadBalancers } from "./loadBalancer/loadBalancer.ts";
import { readService, type Service, SERVICE } from "./service.ts";
import { readTargetGroups, type TargetGroup } from "./loadBalancer/targetGroup.ts";

export interface Parts {
  /** `undefined` where the stack has no service. */
  readonly servicePath: ServicePath | undefined;
  /** `undefined` where there is none, and where nothing plays its origin. */
  readonly apiGatewayEdge: Distribution | undefined;
  /** Resources that are not played, though their type is. */
  readonly unplayed: readonly Unplayed[];
}

export interface ServicePath {
  /** `undefined` where the load balancer is its own edge. */
  readonly edge: Distribution | undefined;
  readonly loadBalancers: readonly LoadBalancer[];
  readonly targetGroups: readonly TargetGroup[];
  readonly service: Service;
  readonly backplane: Backplane | undefined;
  /** Where clients connect. */
  readonly webSocketPath: string;
}

export interface Unplayed {
  readonly type: string;
  readonly name: string;
  readonly reason: string;
}

export interface PartsOptions {
  /** Number of tasks; by default what the stack declares. */
  readonly tasks?: number | undefined;
  /** What plays the API Gateway. */
  readonly apiGatewayOrigin?: URL | undefined;
}

const NO_API_GATEWAY =
  "this machine has no API Gateway: give a WebSocket server of its own in place of one, with " +
  "--api-gateway-origin ws://127.0.0.1:PORT/STAGE";

/**
 * @throws {Error} naming the resource and the input that cannot be played, or an option that does not fit the stack.
 */
export function readParts(graph: DeclaredGraph, { tasks, apiGatewayOrigin }: PartsOptions): Parts {
  const distributions = readDistributions(graph);
  const isApiGatewayEdge = ({ origins }: Distribution): boolean =>
    origins.every(({ server }) => server.type === "api-gateway");
  const apiGatewayEdge = atMostOne(graph, distributions.filter(isApiGatewayEdge));
  const edge = atMostOne(
    graph,
    distributions.filter((distribution) => !isApiGatewayEdge(distribution)),
  );

  if (apiGatewayEdge === undefined && apiGatewayOrigin !== undefined) {
    throw new Error(
      `--api-gateway-origin is given, and stack ${graph.stack} has no distribution in front of an API Gateway.`,
    );
  }
  const isPlayed = apiGatewayOrigin !== undefined;
  const hasService = apiGatewayEdge === undefined || ofType(graph, SERVICE).length > 0;
  if (!hasService && !isPlayed) throw new Error(`Stack ${graph.stack} cannot be played: ${NO_API_GATEWAY}.`);
  return {
    servicePath: hasService
      ? {
          edge,
          loadBalancers: readLoadBalancers(graph),
          targetGroups: readTargetGroups(graph),
          service: readService(graph, tasks),
          backplane: readBackplane(graph),
          webSocketPath: webSocketPath(graph),
        }
      : undefined,
    apiGatewayEdge: isPlayed ? apiGatewayEdge : undefined,
    unplayed:
      apiGatewayEdge === undefined || isPlayed
        ? []
        : [{ type: DISTRIBUTION, name: apiGatewayEdge.name, reason: NO_API_GATEWAY }],
  };
}

function atMostOne(graph: DeclaredGraph, found: readonly Distribution[]): Distribution | undefined {
  const [distribution, ...others] = found;
  if (others.length > 0) {
    const names = found.map(({ name }) => name).join(", ");
    throw new Error(`Stack ${graph.stack} has distributions ${names}; one of each kind is played here.`);
  }
  return distribution;
}

/** Where the stack's own output says that clients connect. */
function webSocketPath(graph: DeclaredGraph): string {
  const outputs = new Declared(`outputs of stack ${graph.stack}`, graph.outputs);
  return new URL(outputs.text("websocketUrl")).pathname;
}
