/** The keys that choose the edge: what clients connect to. */
import type { Definition, ValuesOf } from "../../app/src/settings/definition.ts";

/** RFC 1035: labels of letters, digits and hyphens; at least two, in lower case, as ACM and CloudFront keep them. */
const DOMAIN_NAME = /(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?/;
export const CERTIFICATE_ARN = /arn:aws:acm:(?<region>[a-z0-9-]+):\d{12}:certificate\/[\w-]+/;
const ZONE_ID = /Z[A-Z0-9]{1,31}/;
/** As the console of API Gateway shows it. */
export const API_URL =
  /wss:\/\/(?<host>\w+\.execute-api\.[a-z0-9-]+\.amazonaws\.com)\/(?<stage>[\w-]{1,128})/;

export const edgeDefinitions = {
  edge: {
    kind: "choice",
    choices: ["cloudfront", "load-balancer", "api-gateway"],
    default: "cloudfront",
    description:
      "What clients connect to; the last is CloudFront before an API Gateway, without a service of this stack",
  },
  originAccess: {
    kind: "choice",
    choices: ["public", "private"],
    default: "public",
    description: "Where CloudFront finds the load balancer: at a public address, or inside the VPC only",
  },
  originTls: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as origin.example.com, or empty",
    description: "Name of the load balancer, by which CloudFront reaches it with TLS; empty is plain HTTP",
  },
  originCertificateArn: {
    kind: "text",
    default: "",
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description: "Certificate of originTls, in the stack's region; empty issues one by hostedZoneId",
  },
  domain: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as ws.example.com, or empty",
    description: "Own name that clients connect to; empty takes CloudFront's, and lets viewers use TLS 1.0",
  },
  certificateArn: {
    kind: "text",
    default: "",
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description:
      "Certificate of domain, in us-east-1 for CloudFront, else in the stack's region; empty issues one by hostedZoneId",
  },
  hostedZoneId: {
    kind: "text",
    default: "",
    pattern: orEmpty(ZONE_ID),
    allowed: "the id of a hosted zone in Route 53, such as Z0123456789ABCDEFGHIJ, or empty",
    description: "Route 53 zone of domain and originTls; empty leaves their records to you",
  },
  apiGatewayUrl: {
    kind: "text",
    default: "",
    pattern: orEmpty(API_URL),
    allowed: "a URL such as wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod, or empty",
    description: "WebSocket API of API Gateway that gets a distribution of its own",
  },
  apiGatewayQueryStrings: {
    kind: "list",
    default: [],
    pattern: /[\w.-]{1,128}/,
    allowed: "names of query strings such as token",
    description: "Query strings that reach the API Gateway; it is told no others",
  },
} as const satisfies Record<string, Definition>;

export type EdgeValues = ValuesOf<typeof edgeDefinitions>;
export type EdgeKey = keyof EdgeValues;

function orEmpty(pattern: RegExp): RegExp {
  return new RegExp(`(${pattern.source})?`);
}
