import type * as pulumi from "@pulumi/pulumi";

/** The outputs of a service; some edges lack some of them. The origin secret is not an output. */
export interface ServiceOutputs {
  /** URL for clients, such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: pulumi.Output<string>;
  readonly distributionDomainName?: pulumi.Output<string>;
  readonly distributionId?: pulumi.Output<string>;
  /** URL of the API Gateway beside the service. */
  readonly apiGatewayWebsocketUrl?: pulumi.Output<string>;
  /** DNS name of a public load balancer. Behind CloudFront, it answers other requests with 403. */
  readonly loadBalancerDnsName?: pulumi.Output<string>;
  readonly vpcId?: pulumi.Output<string>;
  readonly taskSecurityGroupId?: pulumi.Output<string>;
  readonly targetGroupArn?: pulumi.Output<string>;
  readonly clusterName?: pulumi.Output<string>;
  readonly serviceName?: pulumi.Output<string>;
  readonly taskRoleName?: pulumi.Output<string>;
  readonly logGroupName?: pulumi.Output<string>;
  /** Image of the tasks, by digest. */
  readonly imageUri?: pulumi.Output<string>;
  /** API key of backends. Secret. */
  readonly apiKey?: pulumi.Output<string>;
}
