/** The keys that choose the edge: what clients connect to. */
import { orEmpty } from "./keyDefinition.ts";
import type { KeyDefinition, KeyValues } from "./keyDefinition.ts";

/** RFC 1035: at least two labels of letters, digits and hyphens; in lower case, as ACM and CloudFront return them. */
const DOMAIN_NAME = /(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?/;
/** ARN of a certificate in ACM; its first group is the region. */
export const CERTIFICATE_ARN = /arn:aws:acm:(?<region>[a-z0-9-]+):\d{12}:certificate\/[\w-]+/;
const ZONE_ID = /Z[A-Z0-9]{1,31}/;
/** The URL that the console of API Gateway shows. */
export const API_URL =
  /wss:\/\/(?<host>\w+\.execute-api\.[a-z0-9-]+\.amazonaws\.com)\/(?<stage>[\w-]{1,128})/;

/** The keys of the edge, with their types, defaults and descriptions. */
export const edgeDefinitions = {
  edge: {
    kind: "choice",
    choices: ["cloudfront", "load-balancer", "api-gateway"],
    default: "cloudfront",
    description:
      "What clients connect to: CloudFront, the load balancer, or CloudFront in front of an API Gateway, without a service",
  },
  originAccess: {
    kind: "choice",
    choices: ["public", "private"],
    default: "public",
    description: "Whether the load balancer has a public address, or CloudFront reaches it inside the VPC",
  },
  originTls: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as origin.example.com, or empty",
    description: "Domain name of the load balancer for HTTPS from CloudFront; if empty, CloudFront uses HTTP",
  },
  originCertificateArn: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description:
      "Certificate of originTls, in the region of the service; if empty, ACM issues one in hostedZoneId",
  },
  domain: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as ws.example.com, or empty",
    description:
      "Custom domain of the service; if empty, clients use CloudFront's domain, which allows TLS 1.0",
  },
  certificateArn: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description:
      "Certificate of domain, in us-east-1 for CloudFront, else in the region of the service; if empty, ACM issues one in hostedZoneId",
  },
  hostedZoneId: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(ZONE_ID),
    allowed: "the ID of a hosted zone in Route 53, such as Z0123456789ABCDEFGHIJ, or empty",
    description: "Route 53 hosted zone of domain and originTls; if empty, you create their DNS records",
  },
  apiGatewayUrl: {
    kind: "text",
    default: "",
    pattern: orEmpty(API_URL),
    allowed: "a URL such as wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod, or empty",
    description: "WebSocket API of API Gateway, which gets its own distribution",
  },
  apiGatewayQueryStrings: {
    kind: "list",
    default: [],
    pattern: /[\w.-]{1,128}/,
    allowed: "names of query strings such as token",
    description: "Query strings that CloudFront forwards to the API Gateway; it removes all others",
  },
} as const satisfies Record<string, KeyDefinition>;

/** A value for each key of the edge, legal by itself. */
export type EdgeValues = KeyValues<typeof edgeDefinitions>;

/** A key of the edge, without its namespace. */
export type EdgeKey = keyof EdgeValues;
