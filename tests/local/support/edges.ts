/** Graphs of the other edges, derived from the graph of the whole path. */
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { type Changes, graphOf, resource, SECRET, SECRET_HEADER, wholePath } from "./graph.ts";

const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const LISTENER = "aws:lb/listener:Listener";

/** The declared ports; the local ports differ. */
export const DECLARED_PORTS = { http: 8000, https: 4430 } as const;
/** A name that is only in the origin's certificate. */
const ORIGIN_NAME = "origin.example.com";

export const API_GATEWAY_HOST = "abcdef1234.execute-api.us-east-1.amazonaws.com";
export const WEBSOCKET_HEADERS = [
  "Sec-WebSocket-Key",
  "Sec-WebSocket-Version",
  "Sec-WebSocket-Protocol",
  "Sec-WebSocket-Accept",
  "Sec-WebSocket-Extensions",
] as const;

/** The load balancer is the edge: one listener terminates TLS, and the other redirects to it. */
export function loadBalancerEdge(changes: Changes = {}): DeclaredGraph {
  const { https, http } = DECLARED_PORTS;
  const secure = httpsListener({ defaultActions: [{ type: "forward", targetGroupArn: "arn:group" }] });
  const redirect = {
    type: "redirect",
    redirect: {
      statusCode: "HTTP_301",
      protocol: "HTTPS",
      port: String(https),
      host: "#{host}",
      path: "/#{path}",
      query: "#{query}",
    },
  };
  const { resources, ...graph } = wholePath({
    ...changes,
    rules: [],
    loadBalancer: { internal: false, ...changes.loadBalancer },
    listener: { port: http, defaultActions: [redirect], ...changes.listener },
  });
  return {
    ...graph,
    resources: [secure, ...resources.filter(({ type }) => type !== DISTRIBUTION)],
    outputs: { websocketUrl: "wss://ws.example.com/chat" },
  };
}

/** The load balancer is private, and the distribution has a VPC origin. */
export function privateOrigin(changes: Changes = {}): DeclaredGraph {
  const vpcOrigin = resource("aws:cloudfront/vpcOrigin:VpcOrigin", "vpc-origin", {
    vpcOriginEndpointConfig: {
      arn: "arn:balancer",
      httpPort: DECLARED_PORTS.http,
      httpsPort: DECLARED_PORTS.https,
      originProtocolPolicy: "http-only",
    },
  });
  const graph = wholePath({
    ...changes,
    loadBalancer: { internal: true, ...changes.loadBalancer },
    distribution: {
      origins: [
        {
          originId: "balancer",
          domainName: "internal-balancer.example",
          vpcOriginConfig: { vpcOriginId: vpcOrigin.id },
          customHeaders: [{ name: SECRET_HEADER, value: SECRET }],
        },
      ],
      ...changes.distribution,
    },
  });
  return { ...graph, resources: [vpcOrigin, ...graph.resources] };
}

/** The edge connects to the load balancer with TLS, by the load balancer's domain name. */
export function tlsToOrigin(changes: Changes = {}): DeclaredGraph {
  const graph = wholePath({
    ...changes,
    listener: { protocol: "HTTPS", port: DECLARED_PORTS.https, ...changes.listener },
    originConfig: {
      originProtocolPolicy: "https-only",
      httpPort: DECLARED_PORTS.http,
      httpsPort: DECLARED_PORTS.https,
      ...changes.originConfig,
    },
  });
  return graph;
}

/** The edge connects to the load balancer with TLS, by the name of the certificate. */
export function tlsToNamedOrigin(): DeclaredGraph {
  const graph = tlsToOrigin();
  return {
    ...graph,
    resources: graph.resources.map((declared) =>
      declared.type === DISTRIBUTION ? { ...declared, inputs: renamed(declared.inputs) } : declared,
    ),
  };
}

/** A distribution in front of an API Gateway. */
export function apiGatewayResources(
  queryStringsConfig: Readonly<Record<string, unknown>> = { queryStringBehavior: "none" },
): readonly DeclaredResource[] {
  return [
    resource("aws:cloudfront/originRequestPolicy:OriginRequestPolicy", "handshake", {
      headersConfig: { headerBehavior: "whitelist", headers: { items: WEBSOCKET_HEADERS } },
      cookiesConfig: { cookieBehavior: "none" },
      queryStringsConfig,
    }),
    resource(
      DISTRIBUTION,
      "api",
      {
        origins: [
          {
            originId: "api",
            domainName: API_GATEWAY_HOST,
            originPath: "/declared",
            customOriginConfig: { originProtocolPolicy: "https-only", httpPort: 80, httpsPort: 443 },
          },
        ],
        defaultCacheBehavior: {
          targetOriginId: "api",
          viewerProtocolPolicy: "https-only",
          allowedMethods: ["GET", "HEAD"],
          originRequestPolicyId: "handshake",
        },
      },
      { domainName: "api-edge.example" },
    ),
  ];
}

export function apiGatewayAlone(): DeclaredGraph {
  return { ...graphOf(apiGatewayResources()), outputs: { websocketUrl: "wss://api-edge.example" } };
}

export function apiGatewayBeside(): DeclaredGraph {
  const graph = wholePath();
  return { ...graph, resources: [...graph.resources, ...apiGatewayResources()] };
}

function httpsListener(inputs: Readonly<Record<string, unknown>>): DeclaredResource {
  return resource(LISTENER, "https", {
    loadBalancerArn: "arn:balancer",
    port: DECLARED_PORTS.https,
    protocol: "HTTPS",
    ...inputs,
  });
}

function renamed(inputs: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const origins = inputs["origins"] as readonly Readonly<Record<string, unknown>>[]; // As wholePath made them.
  return { ...inputs, origins: origins.map((origin) => ({ ...origin, domainName: ORIGIN_NAME })) };
}
