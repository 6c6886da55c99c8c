/** What the program declares, in the few words that a newcomer needs. */
import path from "node:path";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { Action } from "./loadBalancer/action.ts";
import type { Backplane } from "./backplane.ts";
import type { Coverage, Verdict } from "./coverage.ts";
import { Declared } from "./declared.ts";
import type { Distribution } from "./edge/distribution.ts";
import type { Listener } from "./loadBalancer/listener.ts";
import type { LoadBalancer } from "./loadBalancer/loadBalancer.ts";
import { describePolicy } from "./edge/originRequestPolicy.ts";
import type { Parts, ServicePath } from "./parts.ts";
import type { Service } from "./service.ts";
import type { TargetGroup } from "./loadBalancer/targetGroup.ts";

export interface Declaration {
  readonly stack: string;
  readonly resources: number;
  /** Declared resources by what becomes of them here. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** One sentence for each part of the path, from the viewer to the task. */
  readonly path: readonly Part[];
}

interface Part {
  readonly part: string;
  readonly text: string;
}

/** Who plays what this machine may have a program for. */
export interface Players {
  /** Plays the backplane; an embedded stand-in without one. */
  readonly valkeyServer?: string | undefined;
  /** Plays the API Gateway. */
  readonly apiGatewayOrigin?: URL | undefined;
}

export function declaration(
  graph: DeclaredGraph,
  covered: readonly Coverage[],
  { servicePath, apiGatewayEdge }: Parts,
  players: Players,
): Declaration {
  const counts = { played: 0, passive: 0, "not-played": 0, unknown: 0 };
  for (const { verdict, names } of covered) counts[verdict] += names.length;
  const outermost = servicePath === undefined ? apiGatewayEdge : servicePath.edge;
  const path = [
    ...describeName(graph, outermost),
    ...(servicePath === undefined ? [] : describeServicePath(servicePath, players)),
    ...(apiGatewayEdge === undefined ? [] : describeApiGatewayEdge(apiGatewayEdge, players)),
  ];
  return { stack: graph.stack, resources: graph.resources.length, counts, path };
}

function describeServicePath(
  { edge, loadBalancers, targetGroups, service, backplane }: ServicePath,
  players: Players,
): readonly Part[] {
  return [
    ...(edge === undefined ? [] : [{ part: "edge", text: describeEdge(edge) }]),
    ...loadBalancers.flatMap((balancer) =>
      balancer.listeners.map((listener) => ({
        part: "load balancer",
        text: describeListener(balancer, listener),
      })),
    ),
    ...targetGroups.map((group) => ({ part: "targets", text: describeTargets(group) })),
    { part: "tasks", text: describeTasks(service) },
    ...(backplane === undefined ? [] : [{ part: "backplane", text: describeBackplane(backplane, players) }]),
  ];
}

/** An own name of the stack's. */
function describeName(graph: DeclaredGraph, outermost: Distribution | undefined): readonly Part[] {
  const outputs = new Declared(`outputs of stack ${graph.stack}`, graph.outputs);
  const { hostname } = new URL(outputs.text("websocketUrl"));
  return hostname === outermost?.domainName ? [] : [{ part: "name", text: `${hostname}, here localhost` }];
}

function describeEdge(edge: Distribution): string {
  const added = edge.origins.flatMap(({ customHeaders }) => customHeaders.map(([name]) => name));
  return [
    ...viewerProtocols(edge),
    ...(added.length > 0 ? [`adds ${added.join(", ")}`] : []),
    ...(edge.origins.some(({ protocol }) => protocol === "https") ? ["TLS to the load balancer"] : []),
  ].join(", ");
}

function viewerProtocols({ behaviors }: Distribution): readonly string[] {
  return [...new Set(behaviors.map(({ viewerProtocolPolicy }) => viewerProtocolPolicy))];
}

function describeListener(
  { internal, idleTimeoutSeconds }: LoadBalancer,
  { protocol, port, rules, defaultAction }: Listener,
): string {
  return [
    `port ${port}${protocol === "HTTPS" ? " with TLS" : ""}`,
    ...(rules.length === 0
      ? [describeAction(defaultAction)]
      : [`${rules.length} rule${rules.length === 1 ? "" : "s"}`, `else ${describeAction(defaultAction)}`]),
    `idle ${idleTimeoutSeconds} s`,
    ...(internal ? ["private: only the edge reaches it, and here it has no port"] : []),
  ].join(", ");
}

function describeAction(action: Action): string {
  switch (action.type) {
    case "forward":
      return "forward";
    case "fixed-response":
      return String(action.status);
    case "redirect":
      return `${action.status} to port ${action.location.port}, here to what stands for it`;
  }
}

function describeTargets({ algorithm, healthCheck: check }: TargetGroup): string {
  return [
    algorithm.replaceAll("_", " "),
    `GET ${check.path} every ${check.intervalSeconds} s`,
    `unhealthy after ${check.thresholds.unhealthy}`,
  ].join(", ");
}

function describeTasks({ desiredCount, maxCount, container }: Service): string {
  return [
    `${desiredCount}${maxCount === undefined ? "" : ` of at most ${maxCount}`}`,
    `port ${container.port}`,
    `SIGKILL ${container.stopTimeoutSeconds} s after SIGTERM`,
  ].join(", ");
}

function describeBackplane({ engine, maxGB }: Backplane, { valkeyServer }: Players): string {
  return [
    engine,
    ...(maxGB === undefined ? [] : [`at most ${maxGB} GB`]),
    `played by ${valkeyServer === undefined ? "an embedded stand-in" : path.basename(valkeyServer)}`,
  ].join(", ");
}

function describeApiGatewayEdge(edge: Distribution, { apiGatewayOrigin }: Players): readonly Part[] {
  return [
    {
      part: "API Gateway",
      text: [...viewerProtocols(edge), `played by ${apiGatewayOrigin?.href ?? "nobody"}`].join(", "),
    },
    ...edge.behaviors.map(({ originRequestPolicy }) => ({
      part: "is told",
      text: describePolicy(originRequestPolicy),
    })),
  ];
}
