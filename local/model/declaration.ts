/** What the program declares, in the few words that a newcomer needs. */
import path from "node:path";
import type { DeclaredGraph } from "../../infra/graph.ts";
import type { Backplane } from "./backplane.ts";
import { coverage, type Verdict } from "./coverage.ts";
import type { Edge } from "./edge.ts";
import type { LoadBalancer, TargetGroup } from "./loadBalancer.ts";
import type { Service } from "./service.ts";

export interface Declaration {
  readonly stack: string;
  readonly resources: number;
  /** Declared resources by what becomes of them here. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** One sentence for each part of the path, from the viewer to the task. */
  readonly path: readonly { readonly part: string; readonly text: string }[];
}

export interface Parts {
  readonly edge: Edge;
  readonly loadBalancers: readonly LoadBalancer[];
  readonly targetGroups: readonly TargetGroup[];
  readonly service: Service;
  readonly backplane: Backplane | undefined;
  /** The program of this machine that plays the backplane; an embedded stand-in without one. */
  readonly valkeyServer: string | undefined;
}

export function declaration(graph: DeclaredGraph, parts: Parts): Declaration {
  const counts = { played: 0, passive: 0, "not-played": 0, unknown: 0 };
  for (const { verdict, names } of coverage(graph)) counts[verdict] += names.length;
  return { stack: graph.stack, resources: graph.resources.length, counts, path: describePath(parts) };
}

function describePath(parts: Parts): Declaration["path"] {
  const { edge, loadBalancers, targetGroups, service, backplane, valkeyServer } = parts;
  const headers = edge.origins.flatMap(({ customHeaders }) => customHeaders.map(([name]) => name));
  return [
    {
      part: "edge",
      text: [
        ...new Set(edge.behaviors.map(({ viewerProtocolPolicy }) => viewerProtocolPolicy)),
        ...(headers.length > 0 ? [`adds ${headers.join(", ")}`] : []),
      ].join(", "),
    },
    ...loadBalancers.flatMap((balancer) =>
      balancer.listeners.map((listener) => ({
        part: "load balancer",
        text: [
          `port ${listener.port}`,
          `${listener.rules.length} rule${listener.rules.length === 1 ? "" : "s"}`,
          `else ${listener.defaultAction.type === "fixed-response" ? listener.defaultAction.status : listener.defaultAction.type}`,
          `idle ${balancer.idleTimeoutSeconds} s`,
        ].join(", "),
      })),
    ),
    ...targetGroups.map(({ algorithm, healthCheck: check }) => ({
      part: "targets",
      text: [
        algorithm.replaceAll("_", " "),
        `GET ${check.path} every ${check.intervalSeconds} s`,
        `unhealthy after ${check.thresholds.unhealthy}`,
      ].join(", "),
    })),
    {
      part: "tasks",
      text: [
        `${service.desiredCount}${service.maxCount === undefined ? "" : ` of at most ${service.maxCount}`}`,
        `port ${service.container.port}`,
        `SIGKILL ${service.container.stopTimeoutSeconds} s after SIGTERM`,
      ].join(", "),
    },
    ...(backplane === undefined
      ? []
      : [
          {
            part: "backplane",
            text: [
              backplane.engine,
              ...(backplane.maxGB === undefined ? [] : [`at most ${backplane.maxGB} GB`]),
              `played by ${valkeyServer === undefined ? "an embedded stand-in" : path.basename(valkeyServer)}`,
            ].join(", "),
          },
        ]),
  ];
}
