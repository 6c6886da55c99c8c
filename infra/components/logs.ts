import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { CLOUDFRONT_REGION } from "../config/edgeConfig.ts";
import type { Suppression } from "./suppression.ts";

/** Where in the bucket each service writes; AWS appends paths of its own. */
const PREFIXES = { loadBalancer: "load-balancer", edge: "edge", network: "network" } as const;

export interface LogBucketArgs {
  readonly region: string;
  /** Days after which a log file is deleted. */
  readonly retentionDays: number;
  /** Whether the bucket and its files outlive the stack. */
  readonly retain: boolean;
}

/** What the policy pack finds here, and why it stands. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "S1",
    resource: "websocket:infra:LogBucket$aws:s3/bucket:Bucket",
    reason:
      "It is the bucket of the logs: the log of its own requests would be written to it and logged again, and a " +
      "second bucket for them would have the same finding.",
  },
];

/**
 * A closed bucket for the access logs of the load balancer and of the edge and for the network's flow logs. AWS's
 * log services may write, each under its own prefix and for this account only. Every request without TLS is refused.
 */
export class LogBucket extends pulumi.ComponentResource {
  /** Bucket name, known only when the services may write: they test that when logging is switched on. */
  readonly bucket: pulumi.Output<string>;
  /** Bucket ARN, known when {@link bucket} is. */
  readonly arn: pulumi.Output<string>;
  readonly prefixes = PREFIXES;

  constructor(name: string, args: LogBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LogBucket", name, {}, opts);
    const child = { parent: this, retainOnDelete: args.retain };

    const bucket = new aws.s3.Bucket(`${name}-bucket`, { forceDestroy: !args.retain }, child);
    const publicAccess = new aws.s3.BucketPublicAccessBlock(
      `${name}-public-access`,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      child,
    );
    // S3 refuses two changes of a bucket at the same time (OperationAborted), so each waits for the one before.
    const next = (previous: pulumi.Resource) => ({ ...child, dependsOn: [previous] });
    const ownership = new aws.s3.BucketOwnershipControls(
      `${name}-ownership`,
      { bucket: bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      next(publicAccess),
    );
    const encryption = new aws.s3.BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      {
        bucket: bucket.bucket,
        // The load balancer writes its logs with no other encryption than S3's own.
        rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
      },
      next(ownership),
    );
    const lifecycle = new aws.s3.BucketLifecycleConfiguration(
      `${name}-lifecycle`,
      {
        bucket: bucket.bucket,
        rules: [
          {
            id: "expire",
            status: "Enabled",
            filter: { prefix: "" },
            expiration: { days: args.retentionDays },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
          },
        ],
      },
      next(encryption),
    );
    const policy = new aws.s3.BucketPolicy(
      `${name}-policy`,
      {
        bucket: bucket.bucket,
        policy: pulumi.jsonStringify(
          bucketPolicy(bucket.arn, aws.getCallerIdentityOutput({}, { parent: this }).accountId, args.region),
        ),
      },
      next(lifecycle),
    );

    this.bucket = policy.bucket;
    this.arn = pulumi.all([bucket.arn, policy.id]).apply(([arn]) => arn);
    this.registerOutputs({ bucket: this.bucket, arn: this.arn });
  }
}

/**
 * One statement for each service and prefix, in AWS's own words: if AWS misses a statement, it adds one to the policy, which
 * every later update would take out again. Sources: Elastic Load Balancing User Guide, "Access logs for your Application
 * Load Balancer"; Amazon VPC User Guide, "Amazon S3 bucket permissions for flow logs"; Amazon CloudFront Developer Guide,
 * "Standard logging (v2)", permissions; Amazon CloudWatch Logs User Guide, "Logs sent to Amazon S3" (s3:ListBucket).
 */
function bucketPolicy(
  bucketArn: pulumi.Output<string>,
  accountId: pulumi.Output<string>,
  region: string,
): pulumi.Inputs {
  const deliveryService = { Service: "delivery.logs.amazonaws.com" };
  const fromFlowLogs = { "aws:SourceArn": pulumi.interpolate`arn:aws:logs:${region}:${accountId}:*` };
  const fromCloudFront = {
    "aws:SourceArn": pulumi.interpolate`arn:aws:logs:${CLOUDFRONT_REGION}:${accountId}:delivery-source:*`,
  };
  const owned = { "aws:SourceAccount": accountId, "s3:x-amz-acl": "bucket-owner-full-control" };

  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [bucketArn, pulumi.interpolate`${bucketArn}/*`],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
      {
        Sid: "LoadBalancerWrites",
        Effect: "Allow",
        Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
        Action: "s3:PutObject",
        // The account in the path keeps other accounts' load balancers out.
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.loadBalancer}/AWSLogs/${accountId}/*`,
      },
      {
        Sid: "AWSLogDeliveryWrite",
        Effect: "Allow",
        Principal: deliveryService,
        Action: "s3:PutObject",
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.network}/AWSLogs/${accountId}/*`,
        Condition: { StringEquals: owned, ArnLike: fromFlowLogs },
      },
      {
        Sid: "AWSLogDeliveryAclCheck",
        Effect: "Allow",
        Principal: deliveryService,
        Action: ["s3:GetBucketAcl", "s3:ListBucket"],
        Resource: bucketArn,
        Condition: { StringEquals: { "aws:SourceAccount": accountId }, ArnLike: fromFlowLogs },
      },
      {
        Sid: "AWSLogsDeliveryWrite",
        Effect: "Allow",
        Principal: deliveryService,
        Action: "s3:PutObject",
        // With a prefix, CloudFront adds no AWSLogs/ACCOUNT to the path.
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.edge}/*`,
        Condition: { StringEquals: owned, ArnLike: fromCloudFront },
      },
    ],
  };
}
