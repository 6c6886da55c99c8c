/** Frequent errors of AWS, Docker and Pulumi, each with its likely fix. */

export interface KnownError {
  readonly pattern: RegExp;
  /** One or two sentences; `$1` is the pattern's first group. */
  readonly fix: string;
}

const AGAIN = "then run the command again: it continues from here.";

/** The first match applies, so the special errors come before the general ones. */
export const KNOWN_ERRORS: readonly KnownError[] = [
  {
    pattern:
      /ExpiredToken|RequestExpired|token (?:included in the request )?(?:is|has) expired|SSO session .*expired/i,
    fix: `The AWS session has expired: run \`aws sso login\`, or renew the credentials, ${AGAIN}`,
  },
  {
    pattern: /failed to get shared config profile,? "?([\w.@-]+)/i,
    fix: "The profile $1 is not in ~/.aws/config: `aws configure list-profiles` lists the existing ones.",
  },
  {
    pattern:
      /no valid credential sources|NoCredentialProviders|failed to refresh cached credentials|no EC2 IMDS role/i,
    fix: "No AWS credentials were found: set AWS_PROFILE, or run `aws sso login`.",
  },
  {
    pattern: /InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AuthFailure|InvalidAccessKeyId/,
    fix: "AWS rejects the access key: check it with `aws sts get-caller-identity`, and check this machine's clock.",
  },
  {
    pattern: /account ID (?:is )?not allowed|not in allowed_account_ids/i,
    fix: "aws:allowedAccountIds of the stack does not list the account of these credentials: set AWS_PROFILE to a profile of that account.",
  },
  {
    pattern: /verified before you can add new CloudFront resources/i,
    fix: "AWS Support must verify a new account for CloudFront: open a support case, which takes about a day.",
  },
  {
    pattern: /not authorized to perform:? ([\w-]+:\w+)/,
    fix: `Allow $1 to the role or user that deploys, ${AGAIN}`,
  },
  {
    pattern: /AccessDenied|UnauthorizedOperation|not authorized/i,
    fix: "Allow the action above to the role or user that deploys. A policy of the organization can also deny it.",
  },
  {
    pattern:
      /service[- ]linked role[^]*?(ecs|elasticache|autoscaling|elasticloadbalancing)|(?:ECS|CreateService)[^]*service[- ]linked role/i,
    fix: `The account has never used this service: run \`aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com\` (or with the service that AWS names above), wait a minute, ${AGAIN}`,
  },
  {
    pattern: /VpcLimitExceeded/,
    fix: "The region has reached the account's quota of VPCs (default 5): delete one, or raise the quota L-F678F1CE.",
  },
  {
    pattern: /AddressLimitExceeded/,
    fix: "The account has reached its quota of Elastic IP addresses (default 5): release one, or raise the quota L-0263D0A3.",
  },
  {
    pattern: /TooManyDistributions\b/,
    fix: "The account has reached its quota of CloudFront distributions: delete one, or raise the quota in us-east-1.",
  },
  {
    pattern: /\btoomanyrequests:|pull rate limit/,
    fix: `Docker Hub limits the pulls of one address: run \`docker login\`, or wait, ${AGAIN}`,
  },
  {
    pattern: /maximum number of characters/i,
    fix: "A name or a text is longer than AWS allows: shorten it, or the stack's name if AWS's name contains that.",
  },
  {
    pattern: /LimitExceeded|QuotaExceeded|TooMany(?!Requests)\w+|maximum (?:number|limit)/i,
    fix: "The account has reached a quota: delete a resource of this type, or raise the quota in the console (Service Quotas).",
  },
  {
    pattern: /ImageTagAlreadyExists|tag invalid|tags? .*immutable/i,
    fix: "ECR does not overwrite an image's tag: change a file in app/, which changes the tag, or delete the tag in ECR.",
  },
  {
    pattern: /scheduled for deletion|OperationAborted|conflicting conditional operation/i,
    fix: `AWS is still changing the resource, or deleting one with this name: wait a few minutes, ${AGAIN}`,
  },
  {
    pattern:
      /AlreadyExists|AlreadyOwnedByYou|Duplicate\w*Name|InvalidGroup\.Duplicate|already exists|already in use/i,
    fix: "A resource outside this stack's state has this name: delete it in AWS, or add it to the state with `npx pulumi import`.",
  },
  {
    pattern:
      /PENDING_VALIDATION|certificate .*not (?:been )?(?:validated|issued)|InvalidViewerCertificate|UnsupportedCertificate|CertificateNotFound/i,
    fix: `The certificate is not issued, or not in the right region (CloudFront: us-east-1): add the DNS records that ACM lists, wait until ACM has issued it, ${AGAIN}`,
  },
  {
    pattern: /CannotPullContainer/,
    fix: "The tasks cannot pull their image: ECR needs it for linux/arm64, and the subnets need a route to ECR.",
  },
  {
    pattern: /ECS Service .*\bdelet\w+: timeout/i,
    fix: `ECS is still stopping the tasks, which drain first: wait a few minutes, ${AGAIN}`,
  },
  {
    pattern: /circuit breaker|tasks failed to start|steady state|waiting for ECS Service/i,
    fix: "The new tasks did not become healthy, and ECS rolled back: `aws ecs describe-services --cluster CLUSTER --services SERVICE` returns the reason, and the log group has the tasks' logs.",
  },
  {
    pattern: /does not have an associated load balancer/,
    fix: `The listener did not exist yet: wait a minute, ${AGAIN}`,
  },
  {
    pattern: /Capacity is unavailable|InsufficientCapacity|InsufficientInstanceCapacity/i,
    fix: "AWS has no capacity at the moment: try again later, or in another region (aws:region).",
  },
  {
    pattern: /Throttl|Rate exceeded|TooManyRequests|SlowDown/i,
    fix: `AWS throttles the requests: wait a minute, ${AGAIN}`,
  },
  {
    pattern:
      /DependencyViolation|ResourceInUse|has dependencies|Invalid(?:User|UserGroup|ServerlessCache)State/,
    fix: `AWS is still releasing the resource: wait a minute, ${AGAIN} If the error stays, a resource outside this stack uses it: find and delete that.`,
  },
  {
    pattern: /BucketNotEmpty|RepositoryNotEmpty/,
    fix: "The resource is not empty, and the stack keeps its data (websocket:retainData): empty it first if you no longer need the data.",
  },
  {
    pattern: /docker daemon|buildkit|docker.* not running|docker_engine/i,
    fix: `Docker builds the image: install or start it (\`docker buildx version\` checks it), ${AGAIN}`,
  },
  {
    pattern: /resource "(.+?)" cannot be deleted|marked for protection|is protected/i,
    fix: "The resource is protected. Set protect to false in the stack's file, and change nothing else: this update removes the protection. Then make the change, and protect the resources again (docs/edges.md).",
  },
  {
    pattern: /lookup [\w.-]*\bdocker\.(?:io|com)\b/,
    fix: `Docker Hub cannot be reached: check the network and Docker's proxy, ${AGAIN}`,
  },
  {
    pattern: /no such host|connection refused|i\/o timeout|ENOTFOUND|dial tcp/i,
    fix: "AWS cannot be reached: check the network, the proxy and aws:region.",
  },
];

/** @returns the likely fix for a message; `undefined` for an unknown error. */
export function likelyFix(message: string): string | undefined {
  for (const { pattern, fix } of KNOWN_ERRORS) {
    const match = pattern.exec(message);
    if (match !== null) return fix.replace("$1", match[1] ?? "");
  }
  return undefined;
}
