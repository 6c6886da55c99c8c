/** Declared origins of distributions. */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import type { Headers } from "../headers.ts";
import { findExistingLoadBalancers } from "../loadBalancer/existingListener.ts";

/** @see https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CustomOriginConfig.html */
const DEFAULT_READ_TIMEOUT_SECONDS = 30;

export interface DeclaredOrigin {
  readonly id: string;
  readonly domainName: string;
  readonly protocol: "http" | "https";
  /** The declared port; the local port differs. */
  readonly port: number;
  /** CloudFront prepends it to every path; empty if there is none. */
  readonly path: string;
  /** Maximum time to the first byte of a response. */
  readonly readTimeoutSeconds: number;
  readonly customHeaders: Headers;
  readonly server: OriginServer;
}

export type OriginServer =
  { readonly type: "load-balancer"; readonly arn: string } | { readonly type: "api-gateway" };

/** The default endpoint of an API: `API_ID.execute-api.REGION.amazonaws.com`. */
const API_GATEWAY = /^[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/;

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";

/** @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate. */
export function readOrigin(graph: DeclaredGraph, origin: FieldReader): DeclaredOrigin {
  const { connection, timeouts, server } = origin.has("vpcOriginConfig")
    ? readVpcOrigin(graph, origin.object("vpcOriginConfig"))
    : readCustomOrigin(graph, origin);
  const protocol = connection.choice("originProtocolPolicy", ["http-only", "https-only"]);
  return {
    id: origin.text("originId"),
    domainName: origin.text("domainName"),
    ...(protocol === "http-only"
      ? { protocol: "http", port: connection.number("httpPort") }
      : { protocol: "https", port: connection.number("httpsPort") }),
    path: origin.text("originPath", ""),
    readTimeoutSeconds: timeouts.number("originReadTimeout", DEFAULT_READ_TIMEOUT_SECONDS),
    customHeaders: origin
      .list("customHeaders")
      .map((header) => [header.text("name"), header.text("value")] as const),
    server,
  };
}

interface OriginConnection {
  /** The inputs with the protocol and the ports. */
  readonly connection: FieldReader;
  readonly timeouts: FieldReader;
  readonly server: OriginServer;
}

function readVpcOrigin(graph: DeclaredGraph, config: FieldReader): OriginConnection {
  const id = config.text("vpcOriginId");
  const resource = findResources(graph, "aws:cloudfront/vpcOrigin:VpcOrigin").find(
    (origin) => origin.id === id,
  );
  if (resource === undefined)
    throw config.unsupportedError("vpcOriginId", "a VPC origin that the program declares");
  const endpoint = FieldReader.inputsOf(resource).object("vpcOriginEndpointConfig");
  return {
    connection: endpoint,
    timeouts: config,
    server: { type: "load-balancer", arn: endpoint.text("arn") },
  };
}

function readCustomOrigin(graph: DeclaredGraph, origin: FieldReader): OriginConnection {
  const config = origin.object("customOriginConfig");
  const domainName = origin.text("domainName");
  if (API_GATEWAY.test(domainName)) {
    return { connection: config, timeouts: config, server: { type: "api-gateway" } };
  }
  const loadBalancers = [
    ...findResources(graph, LOAD_BALANCER).map((resource) => {
      const outputs = FieldReader.outputsOf(resource);
      return { arn: outputs.text("arn"), dnsName: outputs.text("dnsName") };
    }),
    ...findExistingLoadBalancers(graph),
  ];
  const [only, ...others] = loadBalancers;
  const named =
    loadBalancers.find(({ dnsName }) => dnsName === domainName) ??
    // An https-only origin has a name of its certificate, whose DNS records the program may not declare.
    (config.text("originProtocolPolicy") === "https-only" && others.length === 0 ? only : undefined);
  if (named === undefined) {
    throw origin.unsupportedError(
      "domainName",
      "the name of a load balancer with rules of the stack, or of an API Gateway",
    );
  }
  return { connection: config, timeouts: config, server: { type: "load-balancer", arn: named.arn } };
}
