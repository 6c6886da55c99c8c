import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

/**
 * The headers of a WebSocket handshake. `Host` is not included, because API Gateway accepts only its own name.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/distribution-working-with.websockets.html
 */
const HEADERS = [
  "Sec-WebSocket-Key",
  "Sec-WebSocket-Version",
  "Sec-WebSocket-Protocol",
  "Sec-WebSocket-Accept",
  "Sec-WebSocket-Extensions",
] as const;

export interface OriginRequestPolicyArgs {
  /** Names of the query strings that CloudFront forwards; at most 10. */
  readonly queryStrings: readonly string[];
}

/** A policy with which CloudFront forwards the WebSocket headers of a handshake and the given query strings. */
export class OriginRequestPolicy extends pulumi.ComponentResource {
  /** ID of the policy. */
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
