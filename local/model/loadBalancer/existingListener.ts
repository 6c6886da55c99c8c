/**
 * Existing listeners: the stack has rules on them, and neither the listener nor its load balancer. The local stack emulates a
 * listener that has only these rules.
 */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import {
  EXISTING_LISTENER_PORT,
  existingLoadBalancer,
  loadBalancerArnOf,
} from "../../../infra/evaluation/existingResources.ts";
import type { Limitation } from "../coverage.ts";
import { FieldReader } from "../fieldReader.ts";
import { LISTENER, readRules, RULE } from "./listener.ts";
import type { DeclaredLoadBalancer } from "./loadBalancer.ts";

/** The maximum of AWS. The program checks that the load balancer does not close connections before the next heartbeat. */
const IDLE_TIMEOUT_SECONDS = 4000;

/** The default of AWS. */
const CLIENT_KEEP_ALIVE_SECONDS = 3600;

/** A load balancer of an existing listener, as an origin of CloudFront names it. */
export interface ExistingLoadBalancer {
  readonly arn: string;
  readonly dnsName: string;
  readonly listenerArn: string;
}

/** The load balancers of the existing listeners on which the stack has rules. */
export function findExistingLoadBalancers(graph: DeclaredGraph): readonly ExistingLoadBalancer[] {
  const declared = findResources(graph, LISTENER).map(({ outputs }) => outputs["arn"]);
  const listenerArns = findResources(graph, RULE).map((rule) =>
    FieldReader.inputsOf(rule).text("listenerArn"),
  );
  return [...new Set(listenerArns)]
    .filter((arn) => !declared.includes(arn))
    .map((listenerArn) => {
      const arn = loadBalancerArnOf(listenerArn);
      return { arn, dnsName: String(existingLoadBalancer(arn)["dnsName"]), listenerArn };
    });
}

/** @param isPlain whether CloudFront connects to a load balancer by HTTP. */
export function readExistingLoadBalancers(
  graph: DeclaredGraph,
  isPlain: (loadBalancerArn: string) => boolean,
): readonly DeclaredLoadBalancer[] {
  return findExistingLoadBalancers(graph).map(({ arn, dnsName, listenerArn }) => ({
    name: arn.slice(arn.lastIndexOf("/app/") + 1),
    arn,
    dnsName,
    internal: hasVpcOrigin(graph, arn),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    clientKeepAliveSeconds: CLIENT_KEEP_ALIVE_SECONDS,
    dropInvalidHeaderFields: false,
    preserveHostHeader: false,
    xffHeaderProcessingMode: "append",
    xffClientPort: false,
    listeners: [
      {
        name: "existing listener",
        protocol: isPlain(arn) ? "HTTP" : "HTTPS",
        port: EXISTING_LISTENER_PORT,
        rules: readRules(graph, listenerArn),
        defaultAction: {
          type: "fixed-response",
          status: 404,
          contentType: "text/plain",
          body: "The other rules of the existing listener are not part of the stack.",
        },
      },
    ],
  }));
}

/** What an existing listener does in AWS, and not here. */
export function existingListenerLimitations(graph: DeclaredGraph): readonly Limitation[] {
  const arns = findExistingLoadBalancers(graph).map(({ listenerArn }) => listenerArn);
  const names = findResources(graph, RULE)
    .filter((rule) => arns.includes(FieldReader.inputsOf(rule).text("listenerArn")))
    .map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      types: [RULE],
      names,
      reason:
        "the listener is not part of the stack: its other rules, its attributes and those of its load balancer are not emulated",
    },
  ];
}

function hasVpcOrigin(graph: DeclaredGraph, arn: string): boolean {
  return findResources(graph, "aws:cloudfront/vpcOrigin:VpcOrigin").some(
    (origin) => FieldReader.inputsOf(origin).object("vpcOriginEndpointConfig").text("arn") === arn,
  );
}
