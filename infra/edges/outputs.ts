import type * as pulumi from "@pulumi/pulumi";

/** What a stack tells its users, as far as it has it. The origin secret is not among it. */
export interface StackOutputs {
  /** Where clients connect, such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: pulumi.Output<string>;
  readonly distributionDomainName?: pulumi.Output<string>;
  /** Where clients of the API Gateway beside the service connect. */
  readonly apiGatewayWebsocketUrl?: pulumi.Output<string>;
  /** Of a load balancer that can be reached; one behind CloudFront answers 403 to everyone else. */
  readonly loadBalancerDnsName?: pulumi.Output<string>;
  readonly clusterName?: pulumi.Output<string>;
  readonly serviceName?: pulumi.Output<string>;
  /** The image that the tasks run, by digest. */
  readonly imageUri?: pulumi.Output<string>;
}
