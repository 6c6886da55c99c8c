/** What AWS, Docker and Pulumi say when something is wrong that happens to everybody, and what then helps. */

export interface KnownError {
  readonly pattern: RegExp;
  /** One sentence or two; `$1` is the pattern's first group. */
  readonly fix: string;
}

const AGAIN = "then run the command again: it goes on from here.";

/** The first that matches is told, so the special come before the general. */
export const KNOWN_ERRORS: readonly KnownError[] = [
  {
    pattern:
      /ExpiredToken|RequestExpired|token (?:included in the request )?(?:is|has) expired|SSO session .*expired/i,
    fix: `Your AWS session has expired: sign in anew (aws sso login), ${AGAIN}`,
  },
  {
    pattern: /failed to get shared config profile,? "?([\w.@-]+)/i,
    fix: "There is no profile $1 in ~/.aws/config: aws configure list-profiles names those that exist.",
  },
  {
    pattern:
      /no valid credential sources|NoCredentialProviders|failed to refresh cached credentials|no EC2 IMDS role/i,
    fix: "There are no AWS credentials: set AWS_PROFILE, or sign in (aws sso login).",
  },
  {
    pattern: /InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AuthFailure|InvalidAccessKeyId/,
    fix: "AWS does not know these keys: aws sts get-caller-identity says whether they work; the machine's clock must be right, too.",
  },
  {
    pattern: /account ID (?:is )?not allowed|not in allowed_account_ids/i,
    fix: "These are the credentials of another account than the stack's aws:allowedAccountIds: choose the right profile.",
  },
  {
    pattern: /verified before you can add new CloudFront resources/i,
    fix: "AWS Support has to verify a new account for CloudFront: open a case, it takes about a day.",
  },
  {
    pattern: /not authorized to perform:? ([\w-]+:\w+)/,
    fix: `Allow $1 to the role or user that you deploy with, ${AGAIN}`,
  },
  {
    pattern: /AccessDenied|UnauthorizedOperation|not authorized/i,
    fix: "The role or user that you deploy with may not do this: allow it the action above; an organisation's policy may forbid it, too.",
  },
  {
    pattern:
      /service[- ]linked role[^]*?(ecs|elasticache|autoscaling|elasticloadbalancing)|(?:ECS|CreateService)[^]*service[- ]linked role/i,
    fix: `The account has never used this service: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com (or that of the service named above), wait a minute, ${AGAIN}`,
  },
  {
    pattern: /VpcLimitExceeded/,
    fix: "The region has as many VPCs as the account may have (5 unless raised): delete one, or raise the quota L-F678F1CE.",
  },
  {
    pattern: /AddressLimitExceeded/,
    fix: "The account has as many Elastic IP addresses as it may have (5 unless raised): release one, or raise the quota L-0263D0A3.",
  },
  {
    pattern: /TooManyDistributions\b/,
    fix: "The account has as many CloudFront distributions as it may have: delete one, or raise the quota in us-east-1.",
  },
  {
    pattern: /\btoomanyrequests:|pull rate limit/,
    fix: `Docker Hub lets an address pull only so many images: docker login with an account, or wait, ${AGAIN}`,
  },
  {
    pattern: /maximum number of characters/i,
    fix: "A name or a text is longer than AWS takes: shorten the one that is named, or the stack's name, which it may be made of.",
  },
  {
    pattern: /LimitExceeded|QuotaExceeded|TooMany(?!Requests)\w+|maximum (?:number|limit)/i,
    fix: "The account has as many of these as it may have: delete one, or raise the quota in the console (Service Quotas).",
  },
  {
    pattern: /ImageTagAlreadyExists|tag invalid|tags? .*immutable/i,
    fix: "ECR never overwrites an image's tag: change something in app/, so that the image gets a tag of its own, or delete the tag there.",
  },
  {
    pattern: /scheduled for deletion|OperationAborted|conflicting conditional operation/i,
    fix: `AWS is still changing it, or deleting something with this name: wait a few minutes, ${AGAIN}`,
  },
  {
    pattern:
      /AlreadyExists|AlreadyOwnedByYou|Duplicate\w*Name|InvalidGroup\.Duplicate|already exists|already in use/i,
    fix: "Something that is not in this stack's state has this name: delete it, or take it over (npx pulumi import).",
  },
  {
    pattern:
      /PENDING_VALIDATION|certificate .*not (?:been )?(?:validated|issued)|InvalidViewerCertificate|UnsupportedCertificate|CertificateNotFound/i,
    fix: `The certificate is not usable: CloudFront takes an issued one from ACM in us-east-1; add the DNS records that ACM names, wait until it is issued, ${AGAIN}`,
  },
  {
    pattern: /CannotPullContainer/,
    fix: "The tasks cannot pull their image: it must be there for linux/arm64, and the subnets need a way to ECR.",
  },
  {
    pattern: /ECS Service .*\bdelet\w+: timeout/i,
    fix: `ECS is still stopping the tasks, which drain first: wait a few minutes, ${AGAIN}`,
  },
  {
    pattern: /circuit breaker|tasks failed to start|steady state|waiting for ECS Service/i,
    fix: "The new tasks do not become healthy, and ECS went back to the old ones: aws ecs describe-services names the reason, and the tasks' last words are in the log group.",
  },
  {
    pattern: /does not have an associated load balancer/,
    fix: `The listener was not there yet: wait a minute, ${AGAIN}`,
  },
  {
    pattern: /Capacity is unavailable|InsufficientCapacity|InsufficientInstanceCapacity/i,
    fix: `AWS has no capacity for this now: try again later, or in another region (aws:region).`,
  },
  {
    pattern: /Throttl|Rate exceeded|TooManyRequests|SlowDown/i,
    fix: `AWS was asked too often: wait a minute, ${AGAIN}`,
  },
  {
    pattern:
      /DependencyViolation|ResourceInUse|has dependencies|Invalid(?:User|UserGroup|ServerlessCache)State/,
    fix: `AWS is still releasing it: wait a minute, ${AGAIN} If AWS says the same then, something that is not in this stack uses it: find and delete that.`,
  },
  {
    pattern: /BucketNotEmpty|RepositoryNotEmpty/,
    fix: "It is not empty, and this stack keeps its data (websocket:retainData): empty it yourself, if nothing in it is needed.",
  },
  {
    pattern: /docker daemon|buildkit|docker.* not running|docker_engine/i,
    fix: `The image is built with Docker: start it (docker buildx version says whether it is there), ${AGAIN}`,
  },
  {
    pattern: /resource "(.+?)" cannot be deleted|marked for protection|is protected/i,
    fix: "It is protected, so that nobody deletes it by mistake. Set protect to false in the stack's file, and nothing else: what is declared as before loses its protection with that update. Then make the change, and protect again (docs/edges.md).",
  },
  {
    pattern: /lookup [\w.-]*\bdocker\.(?:io|com)\b/,
    fix: `Docker Hub cannot be reached from here: look at the network, and at the proxy that Docker uses, ${AGAIN}`,
  },
  {
    pattern: /no such host|connection refused|i\/o timeout|ENOTFOUND|dial tcp/i,
    fix: "AWS cannot be reached from here: look at the network, the proxy and aws:region.",
  },
];

/** @returns what probably helps, or `undefined` where the message is no known one. */
export function likelyFix(message: string): string | undefined {
  for (const { pattern, fix } of KNOWN_ERRORS) {
    const match = pattern.exec(message);
    if (match !== null) return fix.replace("$1", match[1] ?? "");
  }
  return undefined;
}
