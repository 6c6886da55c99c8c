/** Configurations of every edge, without the project's namespace. */
import { withNamespaces } from "../../../local/overrides.ts";

const CERTIFICATE = "certificate/00000000-0000-4000-8000-000000000000";

export const API_GATEWAY_URL = "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/declared";

export const EDGE_CONFIGS = {
  "a load balancer with a certificate": {
    edge: "load-balancer",
    domain: "ws.example.com",
    certificateArn: `arn:aws:acm:us-east-1:123456789012:${CERTIFICATE}`,
  },
  "a load balancer with an issued certificate": {
    edge: "load-balancer",
    domain: "ws.example.com",
    hostedZoneId: "Z0123456789ABCDEFGHIJ",
  },
  "a private origin with TLS, a custom domain and an API Gateway": {
    originAccess: "private",
    originTls: "origin.example.com",
    domain: "ws.example.com",
    hostedZoneId: "Z0123456789ABCDEFGHIJ",
    apiGatewayUrl: API_GATEWAY_URL,
  },
  "an API Gateway alone": { edge: "api-gateway", apiGatewayUrl: API_GATEWAY_URL },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

/** Adds the project's namespace to the keys. */
export function fullKeys(config: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return withNamespaces(config, "websocket");
}
