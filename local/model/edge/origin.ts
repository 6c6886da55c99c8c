/** A distribution's origin: what stands behind it, and how it is reached. */
import { type DeclaredGraph, type DeclaredResource, ofType } from "../../../infra/evaluation/graph.ts";
import { Declared } from "../declared.ts";
import type { Headers } from "../headers.ts";

/** What CloudFront assumes where the program leaves a value out (CloudFront API reference). */
const DEFAULT_READ_TIMEOUT_SECONDS = 30;

export interface Origin {
  readonly id: string;
  readonly domainName: string;
  readonly protocol: "http" | "https";
  /** As declared; on this machine it is elsewhere. */
  readonly port: number;
  /** Stands before every path; empty for none. */
  readonly path: string;
  /** Time to the first byte of a response. */
  readonly readTimeoutSeconds: number;
  readonly customHeaders: Headers;
  readonly server: OriginServer;
}

export type OriginServer =
  { readonly type: "load-balancer"; readonly arn: string } | { readonly type: "api-gateway" };

/** An API's own domain (Amazon API Gateway developer guide). */
const API_GATEWAY = /^[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/;

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";

/** @throws {Error} naming the resource and the input that cannot be played. */
export function readOrigin(graph: DeclaredGraph, origin: Declared): Origin {
  const { connection, timeouts, server } = origin.has("vpcOriginConfig")
    ? throughVpcOrigin(graph, origin.object("vpcOriginConfig"))
    : overInternet(graph, origin);
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

interface Way {
  /** Has the protocol and the ports. */
  readonly connection: Declared;
  readonly timeouts: Declared;
  readonly server: OriginServer;
}

function throughVpcOrigin(graph: DeclaredGraph, config: Declared): Way {
  const id = config.text("vpcOriginId");
  const resource = ofType(graph, "aws:cloudfront/vpcOrigin:VpcOrigin").find((origin) => origin.id === id);
  if (resource === undefined) throw new Error(`${config.where}: vpcOriginId is no declared VPC origin.`);
  const endpoint = Declared.inputsOf(resource).object("vpcOriginEndpointConfig");
  return {
    connection: endpoint,
    timeouts: config,
    server: { type: "load-balancer", arn: endpoint.text("arn") },
  };
}

function overInternet(graph: DeclaredGraph, origin: Declared): Way {
  const config = origin.object("customOriginConfig");
  const domainName = origin.text("domainName");
  if (API_GATEWAY.test(domainName)) {
    return { connection: config, timeouts: config, server: { type: "api-gateway" } };
  }
  const loadBalancers = ofType(graph, LOAD_BALANCER);
  const [only, ...others] = loadBalancers;
  const named =
    loadBalancers.find(({ outputs }) => outputs["dnsName"] === domainName) ??
    // An https-only origin bears a name of its certificate, whose records may be anybody's.
    (config.text("originProtocolPolicy") === "https-only" && others.length === 0 ? only : undefined);
  if (named === undefined) {
    throw new Error(
      `${origin.where}: domainName is neither a declared load balancer's nor an API Gateway's, and cannot be played here.`,
    );
  }
  return { connection: config, timeouts: config, server: { type: "load-balancer", arn: arnOf(named) } };
}

function arnOf(resource: DeclaredResource): string {
  return Declared.outputsOf(resource).text("arn");
}
