import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

/**
 * What an origin needs to know of a WebSocket's handshake (Amazon CloudFront Developer Guide, "Use WebSockets with
 * CloudFront distributions"). Not Host: API Gateway answers to its own name only.
 */
const HEADERS = [
  "Sec-WebSocket-Key",
  "Sec-WebSocket-Version",
  "Sec-WebSocket-Protocol",
  "Sec-WebSocket-Accept",
  "Sec-WebSocket-Extensions",
] as const;

export interface OriginRequestPolicyArgs {
  /** Names of the query strings that are passed on; at most 10. */
  readonly queryStrings: readonly string[];
}

/** What CloudFront passes on of a viewer's handshake: what WebSocket needs, and nothing else unless it is named. */
export class OriginRequestPolicy extends pulumi.ComponentResource {
  readonly policyId: pulumi.Output<string>;

  constructor(name: string, args: OriginRequestPolicyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:OriginRequestPolicy", name, {}, opts);

    const policy = new aws.cloudfront.OriginRequestPolicy(
      name,
      {
        comment: "The handshake of a WebSocket",
        headersConfig: { headerBehavior: "whitelist", headers: { items: [...HEADERS] } },
        cookiesConfig: { cookieBehavior: "none" },
        queryStringsConfig:
          args.queryStrings.length === 0
            ? { queryStringBehavior: "none" }
            : { queryStringBehavior: "whitelist", queryStrings: { items: [...args.queryStrings] } },
      },
      { parent: this },
    );

    this.policyId = policy.id;
    this.registerOutputs({ policyId: this.policyId });
  }
}
