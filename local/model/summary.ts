/** The summary of the declared stack that `npm start` prints first. */
import path from "node:path";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { DeclaredBackplane } from "./backplane.ts";
import type { DeclaredContainer } from "./container.ts";
import { type Coverage, countResources, type Treatment } from "./coverage.ts";
import type { DeclaredDistribution } from "./edge/distribution.ts";
import { describePolicy } from "./edge/originRequestPolicy.ts";
import type { ListenerAction } from "./loadBalancer/action.ts";
import type { DeclaredListener } from "./loadBalancer/listener.ts";
import { type DeclaredLoadBalancer, readLoadBalancers } from "./loadBalancer/loadBalancer.ts";
import type { DeclaredTargetGroup } from "./loadBalancer/targetGroup.ts";
import { findWebSocketUrl } from "./webSocketUrl.ts";
import type { ServicePath, StackParts } from "./parts.ts";
import type { DeclaredScaling } from "./scaling/declaredScaling.ts";
import type { DeclaredService } from "./service.ts";

export interface StackSummary {
  readonly stack: string;
  /** The number of declared resources. */
  readonly resources: number;
  /** The number of declared resources by their treatment. */
  readonly counts: Readonly<Record<Treatment, number>>;
  /** One entry for each part of the path, from the viewer to the task. */
  readonly path: readonly SummaryEntry[];
}

interface SummaryEntry {
  /** Such as `load balancer`. */
  readonly part: string;
  readonly text: string;
}

/** How this machine emulates the parts. */
export interface Emulators {
  /** Path of the program that emulates the backplane. @default the stand-in for Valkey */
  readonly valkeyServer?: string | undefined;
  /** URL of the WebSocket server that emulates the API Gateway. */
  readonly apiGatewayOrigin?: URL | undefined;
  /** Speed of the autoscaler's clock. */
  readonly speed: number;
}

export function summarizeStack(
  graph: DeclaredGraph,
  covered: readonly Coverage[],
  { servicePath, apiGatewayEdge }: StackParts,
  emulators: Emulators,
): StackSummary {
  const outermost = servicePath === undefined ? apiGatewayEdge : servicePath.edge;
  const path = [
    ...describeCustomDomain(graph, outermost),
    ...(servicePath === undefined ? [] : describeServicePath(servicePath, emulators)),
    ...(apiGatewayEdge === undefined ? [] : describeApiGatewayEdge(apiGatewayEdge, emulators)),
  ];
  return { stack: graph.stack, resources: graph.resources.length, counts: countResources(covered), path };
}

function describeServicePath(
  { edge, loadBalancers, targetGroups, service, scaling, backplane }: ServicePath,
  emulators: Emulators,
): readonly SummaryEntry[] {
  return [
    ...(edge === undefined ? [] : [{ part: "edge", text: describeEdge(edge) }]),
    ...loadBalancers.flatMap((loadBalancer) =>
      loadBalancer.listeners.map((listener) => ({
        part: "load balancer",
        text: describeListener(loadBalancer, listener),
      })),
    ),
    ...targetGroups.map((group) => ({ part: "targets", text: describeTargets(group) })),
    { part: "tasks", text: describeTasks(service) },
    ...(scaling === undefined ? [] : [{ part: "autoscaling", text: describeScaling(scaling, emulators) }]),
    ...(backplane === undefined
      ? []
      : [{ part: "backplane", text: describeBackplane(backplane, emulators) }]),
  ];
}

function describeCustomDomain(
  graph: DeclaredGraph,
  outermost: DeclaredDistribution | undefined,
): readonly SummaryEntry[] {
  const hostname = findWebSocketUrl(graph)?.hostname;
  const loadBalancers = readLoadBalancers(graph).map(({ dnsName }) => dnsName.toLowerCase());
  if (hostname === undefined || [outermost?.domainName, ...loadBalancers].includes(hostname)) return [];
  return [{ part: "domain", text: `${hostname}, emulated by localhost` }];
}

function describeEdge(edge: DeclaredDistribution): string {
  const added = edge.origins.flatMap(({ customHeaders }) => customHeaders.map(([name]) => name));
  return [
    ...viewerProtocolPolicies(edge),
    ...(added.length > 0 ? [`adds ${added.join(", ")}`] : []),
    ...(edge.origins.some(({ protocol }) => protocol === "https") ? ["TLS to the load balancer"] : []),
  ].join(", ");
}

function viewerProtocolPolicies({ behaviors }: DeclaredDistribution): readonly string[] {
  return [...new Set(behaviors.map(({ viewerProtocolPolicy }) => viewerProtocolPolicy))];
}

function describeListener(
  { internal, idleTimeoutSeconds }: DeclaredLoadBalancer,
  { protocol, port, rules, defaultAction }: DeclaredListener,
): string {
  return [
    `port ${port}${protocol === "HTTPS" ? " with TLS" : ""}`,
    ...(rules.length === 0
      ? [describeAction(defaultAction)]
      : [
          `${rules.length} rule${rules.length === 1 ? "" : "s"}`,
          `${describeAction(defaultAction)} if no rule matches`,
        ]),
    `idle ${idleTimeoutSeconds} s`,
    ...(internal ? ["private: no local port"] : []),
  ].join(", ");
}

function describeAction(action: ListenerAction): string {
  switch (action.type) {
    case "forward":
      return "forward";
    case "fixed-response":
      return String(action.status);
    case "redirect":
      return `${action.status} to the local port for ${action.location.port}`;
  }
}

function describeTargets({ algorithm, healthCheck: check }: DeclaredTargetGroup): string {
  return [
    algorithm.replaceAll("_", " "),
    `GET ${check.path} every ${check.intervalSeconds} s`,
    `unhealthy after ${check.thresholds.unhealthy}`,
  ].join(", ");
}

function describeTasks({ desiredCount, maxCount, container }: DeclaredService): string {
  return [
    `${desiredCount}${maxCount === undefined ? "" : ` of at most ${maxCount}`}`,
    `port ${container.port}${container.image === undefined ? "" : ", here the one in PORT"}`,
    ...describeImage(container),
    `SIGKILL ${container.stopTimeoutSeconds} s after SIGTERM`,
  ].join(", ");
}

function describeImage({ image }: DeclaredContainer): readonly string[] {
  if (image === undefined) return [];
  const command = [...image.entryPoint, ...image.command].join(" ");
  return [command === "" ? "the command of the image" : command];
}

function describeScaling({ min, max, policies, schedules }: DeclaredScaling, { speed }: Emulators): string {
  return [
    `${min} to ${max} tasks`,
    ...policies.map(({ metric, target }) => `${metric} ${target}${metric === "CPU" ? "%" : ""}`),
    ...(schedules.length > 0 ? [`scheduled ${schedules.map(({ name }) => name).join(" and ")}`] : []),
    ...(speed === 1 ? [] : [`a minute takes ${Number((60 / speed).toFixed(1))} s`]),
  ].join(", ");
}

function describeBackplane({ engine, maxGB }: DeclaredBackplane, { valkeyServer }: Emulators): string {
  return [
    engine,
    ...(maxGB === undefined ? [] : [`at most ${maxGB} GB`]),
    `emulated by ${valkeyServer === undefined ? "the stand-in for Valkey" : path.basename(valkeyServer)}`,
  ].join(", ");
}

function describeApiGatewayEdge(
  edge: DeclaredDistribution,
  { apiGatewayOrigin }: Emulators,
): readonly SummaryEntry[] {
  return [
    {
      part: "API Gateway",
      text: [...viewerProtocolPolicies(edge), `emulated by ${apiGatewayOrigin?.href ?? "nothing"}`].join(
        ", ",
      ),
    },
    ...edge.behaviors.map(({ originRequestPolicy }) => ({
      part: "receives",
      text: describePolicy(originRequestPolicy),
    })),
  ];
}
