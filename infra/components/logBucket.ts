import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { CLOUDFRONT_REGION } from "../config/data/regions.ts";
import type { Suppression } from "./suppression.ts";
import { applyTransform } from "./transform.ts";
import type { Transforms } from "./transforms.ts";

/** Key prefix of each log type. AWS appends its own path. */
const PREFIXES = { loadBalancer: "load-balancer", edge: "edge", network: "network" } as const;

export interface LogBucketArgs {
  /** Region of the load balancer and the VPC. */
  readonly region: pulumi.Input<string>;
  /** Days until S3 deletes a log file. */
  readonly retentionDays: number;
  /** Whether the bucket and its files remain after the stack is deleted. */
  readonly retain: boolean;
  readonly transform?: Pick<Transforms, "logBucket"> | undefined;
}

/** Accepted findings of the policy pack. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "S1",
    resource: "websocket:infra:LogBucket$aws:s3/bucket:Bucket",
    reason:
      "This is the log bucket. It would log the delivery of its own access logs, and a second bucket would have the " +
      "same finding.",
  },
];

/**
 * A private S3 bucket for the access logs of the load balancer and CloudFront and for VPC flow logs. Each AWS log service can
 * write only under its own prefix and for this account. The bucket policy denies requests without TLS.
 */
export class LogBucket extends pulumi.ComponentResource {
  /** Bucket name, available after the bucket policy exists: AWS tests its write access when logging is enabled. */
  readonly bucket: pulumi.Output<string>;
  /** Bucket ARN, available when {@link bucket} is. */
  readonly arn: pulumi.Output<string>;
  /** Key prefix of each log type. */
  readonly prefixes = PREFIXES;

  constructor(name: string, args: LogBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LogBucket", name, {}, opts);
    const child = { parent: this, retainOnDelete: args.retain };

    const bucket = new aws.s3.Bucket(
      ...applyTransform<aws.s3.BucketArgs>(
        args.transform?.logBucket,
        `${name}-bucket`,
        { forceDestroy: !args.retain },
        child,
      ),
    );
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
    // S3 refuses concurrent changes of one bucket (OperationAborted), so each resource depends on the previous one.
    const after = (previous: pulumi.Resource) => ({ ...child, dependsOn: [previous] });
    const ownership = new aws.s3.BucketOwnershipControls(
      `${name}-ownership`,
      { bucket: bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      after(publicAccess),
    );
    const encryption = new aws.s3.BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      {
        bucket: bucket.bucket,
        // Access logs of a load balancer support only SSE-S3.
        rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
      },
      after(ownership),
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
      after(encryption),
    );
    const policy = new aws.s3.BucketPolicy(
      `${name}-policy`,
      {
        bucket: bucket.bucket,
        policy: pulumi.jsonStringify(
          buildBucketPolicy(
            bucket.arn,
            aws.getCallerIdentityOutput({}, { parent: this }).accountId,
            args.region,
          ),
        ),
      },
      after(lifecycle),
    );

    this.bucket = policy.bucket;
    this.arn = pulumi.all([bucket.arn, policy.id]).apply(([arn]) => arn);
    this.registerOutputs({ bucket: this.bucket, arn: this.arn });
  }
}

/**
 * Returns one statement for each service and prefix, as AWS documents it. If a statement is missing, AWS adds it to the policy,
 * and the next update removes it again.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
 * @see https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-S3.html
 */
function buildBucketPolicy(
  bucketArn: pulumi.Output<string>,
  accountId: pulumi.Output<string>,
  region: pulumi.Input<string>,
): pulumi.Inputs {
  const logDelivery = { Service: "delivery.logs.amazonaws.com" };
  const fromFlowLogs = { "aws:SourceArn": pulumi.interpolate`arn:aws:logs:${region}:${accountId}:*` };
  const fromCloudFront = {
    "aws:SourceArn": pulumi.interpolate`arn:aws:logs:${CLOUDFRONT_REGION}:${accountId}:delivery-source:*`,
  };
  const forThisAccount = { "aws:SourceAccount": accountId, "s3:x-amz-acl": "bucket-owner-full-control" };

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
        // The account ID in the path excludes load balancers of other accounts.
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.loadBalancer}/AWSLogs/${accountId}/*`,
      },
      {
        Sid: "AWSLogDeliveryWrite",
        Effect: "Allow",
        Principal: logDelivery,
        Action: "s3:PutObject",
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.network}/AWSLogs/${accountId}/*`,
        Condition: { StringEquals: forThisAccount, ArnLike: fromFlowLogs },
      },
      {
        Sid: "AWSLogDeliveryAclCheck",
        Effect: "Allow",
        Principal: logDelivery,
        Action: ["s3:GetBucketAcl", "s3:ListBucket"],
        Resource: bucketArn,
        Condition: { StringEquals: { "aws:SourceAccount": accountId }, ArnLike: fromFlowLogs },
      },
      {
        Sid: "AWSLogsDeliveryWrite",
        Effect: "Allow",
        Principal: logDelivery,
        Action: "s3:PutObject",
        // If there is a prefix, CloudFront adds no AWSLogs/ACCOUNT to the path.
        Resource: pulumi.interpolate`${bucketArn}/${PREFIXES.edge}/*`,
        Condition: { StringEquals: forThisAccount, ArnLike: fromCloudFront },
      },
    ],
  };
}
