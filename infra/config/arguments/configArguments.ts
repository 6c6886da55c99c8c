/** `npm run docs` writes this file from the definitions of the configuration keys. */
import type * as pulumi from "@pulumi/pulumi";

/** The arguments that are configuration keys. */
export interface ConfigArguments {
  /** What clients connect to: CloudFront, the load balancer, or CloudFront in front of an API Gateway, without a service. @default "cloudfront" */
  readonly edge?: "cloudfront" | "load-balancer" | "api-gateway";
  /** Whether the load balancer has a public address, or CloudFront reaches it inside the VPC. @default "public" */
  readonly originAccess?: "public" | "private";
  /** Domain name of the load balancer for HTTPS from CloudFront; if empty, CloudFront uses HTTP. @default "" */
  readonly originTls?: string;
  /** Certificate of originTls, in the region of the service; if empty, ACM issues one in hostedZoneId. @default "" */
  readonly originCertificateArn?: pulumi.Input<string>;
  /** Custom domain of the service; if empty, clients use CloudFront's domain, which allows TLS 1.0. @default "" */
  readonly domain?: string;
  /** Certificate of domain, in us-east-1 for CloudFront, else in the region of the service; if empty, ACM issues one in hostedZoneId. @default "" */
  readonly certificateArn?: pulumi.Input<string>;
  /** Route 53 hosted zone of domain and originTls; if empty, you create their DNS records. @default "" */
  readonly hostedZoneId?: pulumi.Input<string>;
  /** WebSocket API of API Gateway, which gets its own distribution. @default "" */
  readonly apiGatewayUrl?: string;
  /** Query strings that CloudFront forwards to the API Gateway; it removes all others. @default [] */
  readonly apiGatewayQueryStrings?: readonly string[];
  /** Existing VPC of the service; if empty, the service has its own. @default "" */
  readonly vpcId?: pulumi.Input<string>;
  /** Public subnets of vpcId, for a public load balancer, and for the tasks without privateSubnetIds. @default [] */
  readonly publicSubnetIds?: pulumi.Input<readonly pulumi.Input<string>[]>;
  /** Private subnets of vpcId with NAT or VPC endpoints, for the tasks, the cache and an internal load balancer. @default [] */
  readonly privateSubnetIds?: pulumi.Input<readonly pulumi.Input<string>[]>;
  /** Existing ECS cluster of the service; if empty, the service has its own. @default "" */
  readonly clusterArn?: pulumi.Input<string>;
  /** Existing listener in vpcId, on which the service has its rules; if empty, the service has its own load balancer. @default "" */
  readonly listenerArn?: pulumi.Input<string>;
  /** First of the 10 priorities of listenerArn that belong to the service (priority, 1 to 49991). @default 100 */
  readonly listenerRulePriority?: number;
  /** Existing log group of the tasks; if empty, the service has its own. @default "" */
  readonly logGroupName?: pulumi.Input<string>;
  /** Existing ECR repository of the image; if empty, the service has its own. @default "" */
  readonly repositoryName?: pulumi.Input<string>;
  /** Minimum number of tasks (tasks, 1 to 1000). @default 1 */
  readonly minTasks?: number;
  /** Maximum number of tasks (tasks, 1 to 1000). @default 5 */
  readonly maxTasks?: number;
  /** Target value of the autoscaler: average number of open WebSockets per task; 0 does not scale on connections; any of the three target values adds tasks, and all must agree to remove tasks (connections, 0 to 65000). @default 10000 */
  readonly connectionsPerTask?: number;
  /** Target value of the autoscaler: requests per task and minute; opening a WebSocket counts as one request; 0 does not scale on requests (requests per minute, 0 to 1000000). @default 10000 */
  readonly requestsPerTarget?: number;
  /** Target value of the autoscaler: average CPU utilization of the tasks, in percent of cpu; 0 does not scale on CPU (percent, 0 to 100). @default 60 */
  readonly cpuPercent?: number;
  /** Time after adding tasks before the autoscaler can add more (seconds, 0 to 3600). @default 60 */
  readonly scaleOutCooldownSeconds?: number;
  /** Time after removing tasks before the autoscaler can remove more (seconds, 0 to 3600). @default 300 */
  readonly scaleInCooldownSeconds?: number;
  /** Times at which other numbers replace minTasks and maxTasks, which apply only before the first of these times. @default [] */
  readonly scheduledScaling?: readonly string[];
  /** CPU units of a task; 1024 units are one vCPU. @default 1024 */
  readonly cpu?: 256 | 512 | 1024 | 2048 | 4096 | 8192 | 16384 | 32768;
  /** Memory of a task in MiB; Fargate offers certain sizes for each value of cpu (MiB, 512 to 249856). @default 2048 */
  readonly memoryMiB?: number;
  /** Memory of a task for the recent messages of all channels, in MiB; 0 derives it from memoryMiB; with backplane memory, the log has as much again (MiB, 0 to 16384). @default 0 */
  readonly cacheMiB?: number;
  /** Time between SIGTERM and SIGKILL when a task stops (seconds, 2 to 120). @default 60 */
  readonly stopTimeoutSeconds?: number;
  /** Time without data after which the load balancer closes a connection (seconds, 1 to 4000). @default 120 */
  readonly idleTimeoutSeconds?: number;
  /** Time between deregistering a task from the target group and sending it SIGTERM (seconds, 0 to 3600). @default 10 */
  readonly deregistrationDelaySeconds?: number;
  /** Store of the messages of all tasks: valkey, or the memory of a single task. @default "valkey" */
  readonly backplane?: "memory" | "valkey";
  /** Maximum Valkey storage in GB (caps the cost) (GB, 1 to 5000). @default 2 */
  readonly backplaneMaxGB?: number;
  /** Maximum ElastiCache processing units (ECPUs) of Valkey per second (caps the cost); reading or writing 1 KiB takes about one (ECPUs per second, 1000 to 1920000). @default 5000 */
  readonly backplaneMaxEcpus?: number;
  /** Increment to rotate the Valkey password, after the previous rotation has finished; the previous password stays valid (generations, 1 to 1000000). @default 1 */
  readonly backplanePasswordGeneration?: number;
  /** Header in which CloudFront sends the origin secret to the load balancer. @default "X-Origin-Secret" */
  readonly originHeaderName?: string;
  /** Increment to rotate the origin secret; the previous secret stays valid (generations, 1 to 1000000). @default 1 */
  readonly originSecretGeneration?: number;
  /** Increment to rotate the API key of backends; the previous key stays valid (generations, 1 to 1000000). @default 1 */
  readonly apiKeyGeneration?: number;
  /** Price class of CloudFront, which limits the edge locations that serve clients. @default "PriceClass_100" */
  readonly priceClass?: "PriceClass_100" | "PriceClass_200" | "PriceClass_All";
  /** Days for which logs are kept. @default 30 */
  readonly logRetentionDays?:
    | 1
    | 3
    | 5
    | 7
    | 14
    | 30
    | 60
    | 90
    | 120
    | 150
    | 180
    | 365
    | 400
    | 545
    | 731
    | 1096
    | 1827
    | 2192
    | 2557
    | 2922
    | 3288
    | 3653;
  /** Whether logs and images remain after the service is destroyed. @default false */
  readonly retainData?: boolean;
  /** Whether ECS Exec can run commands in a task; the output of its sessions is logged. @default false */
  readonly enableExec?: boolean;
  /** Whether Pulumi refuses to delete or replace the distribution, the load balancer, the service and the backplane. @default false */
  readonly protect?: boolean;
  /** Interval between two pings to a client; a client that sends nothing for a whole interval is disconnected (seconds, 1 to 540). @default 30 */
  readonly heartbeatSeconds?: number;
  /** Maximum size of a message from a client; a larger message closes the connection with 1009 (bytes, 1 to 16777216). @default 65536 */
  readonly maxPayloadBytes?: number;
  /** Maximum number of WebSockets per task; further upgrades are answered with 503 (connections, 1 to 65000). @default 20000 */
  readonly maxConnections?: number;
  /** Maximum sustained rate of messages from one connection; a faster connection is closed with 1008 (messages per second, 1 to 1000000). @default 100 */
  readonly messagesPerSecond?: number;
  /** Maximum number of messages that one connection may send at once before messagesPerSecond applies (messages, 1 to 1000000). @default 200 */
  readonly messageBurst?: number;
  /** Maximum sustained rate of bytes from one connection; a faster connection is closed with 1008 after a burst (bytes per second, 1024 to 1073741824). @default 1048576 */
  readonly bytesPerSecond?: number;
  /** Maximum number of WebSockets per user and task; further upgrades are answered with 429; a user is a token's subject, or a client's address if there is none (connections, 1 to 65000). @default 2000 */
  readonly connectionsPerUser?: number;
  /** Maximum number of channels per user and task; subscriptions to further channels are rejected, and upgrades with 429 (channels, 1 to 1000000). @default 2000 */
  readonly channelsPerUser?: number;
  /** Maximum number of channels that one connection subscribes to; subscriptions to further channels are rejected (channels, 1 to 10000). @default 256 */
  readonly subscriptionsPerConnection?: number;
  /** Maximum sustained rate of bytes per user and task; the connection that exceeds it is closed with 1008 after a burst (bytes per second, 1024 to 1073741824). @default 4194304 */
  readonly bytesPerSecondPerUser?: number;
  /** Number of messages retained per channel; a client can resume within them (messages, 100 to 1000000). @default 10000 */
  readonly retainedMessages?: number;
  /** Time for which messages are retained per channel (seconds, 10 to 86400). @default 300 */
  readonly retainedSeconds?: number;
  /** Bytes of messages retained per channel; a client that is further behind has lost messages (bytes, 65536 to 1073741824). @default 1048576 */
  readonly retainedBytes?: number;
  /** Retention of some channels; the first rule that includes a channel applies to it. @default [] */
  readonly retention?: readonly RetentionRuleArgs[];
  /** Maximum number of channels per task; subscriptions to further channels are rejected, and upgrades with 503 (channels, 1 to 1000000). @default 50000 */
  readonly maxChannels?: number;
  /** Time that a publish waits for the backplane before it is refused (seconds, 1 to 60). @default 5 */
  readonly publishTimeoutSeconds?: number;
  /** Maximum time of a call of a handler; after that, the call counts as failed (seconds, 1 to 30). @default 5 */
  readonly handlerTimeoutSeconds?: number;
  /** Interval of the log lines from which CloudWatch creates metrics; 0 writes none (seconds, 0 to 3600). @default 60 */
  readonly metricsLogSeconds?: number;
  /** Which clients may connect: token admits clients with a valid token, open admits every client that has the address. @default none: required, unless edge is api-gateway */
  readonly access?: "token" | "open";
  /** URL of the keys that verify the clients' tokens; required if access is token. @default "" */
  readonly jwksUrl?: pulumi.Input<string>;
  /** Issuer that a token must have; required if access is token. @default "" */
  readonly jwtIssuer?: pulumi.Input<string>;
  /** Audience that a token must have; required if access is token. @default "" */
  readonly jwtAudience?: pulumi.Input<string>;
  /** Claim with the channels that a token may read and publish to: names, prefixes that end with *, and / for the default channel. @default "channels" */
  readonly jwtChannelClaim?: string;
  /** Claim with the channels that a token may read, in the form of jwtChannelClaim. @default "subscribe" */
  readonly jwtSubscribeClaim?: string;
  /** Claim with the channels that a token may publish to, in the form of jwtChannelClaim. @default "publish" */
  readonly jwtPublishClaim?: string;
  /** Origins whose pages may connect, including the console's; *. is any one label of a host; browsers on other origins are refused with 403. @default [] */
  readonly allowedOrigins?: readonly string[];
  /** Time after SIGTERM in which open connections must close; the remaining connections are terminated (seconds, 1 to 110). @default 20 */
  readonly drainSeconds?: number;
  /** Minimum severity of log lines. @default "info" */
  readonly logLevel?: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
}

/** An object in `retention`. */
export interface RetentionRuleArgs {
  /** Channels of the rule: a name, a prefix that ends with *, or / for the default channel. */
  readonly channels: string;
  /** Number of messages; by default retainedMessages (messages, 100 to 1000000). */
  readonly messages?: number;
  /** Bytes of messages; by default retainedBytes (bytes, 65536 to 1073741824). */
  readonly bytes?: number;
  /** Time in seconds; by default retainedSeconds (seconds, 10 to 86400). */
  readonly seconds?: number;
}
