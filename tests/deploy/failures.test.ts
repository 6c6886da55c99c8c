import assert from "node:assert/strict";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { describeFailures, unwrapped } from "../../deploy/failures.ts";
import { KNOWN_ERRORS, likelyFix } from "../../deploy/knownErrors.ts";
import { Progress } from "../../deploy/progress/progress.ts";
import { step, urn } from "./events.ts";

/** As AWS, its SDK and Pulumi's bridge word them. */
const SAID: readonly (readonly [message: string, fix: RegExp])[] = [
  [
    "operation error STS: GetCallerIdentity, https response error StatusCode: 403, RequestID: 1-a, api error ExpiredToken: The security token included in the request is expired",
    /sign in anew/,
  ],
  ["configuring Terraform AWS Provider: failed to get shared config profile, team", /no profile team/],
  ["configuring Terraform AWS Provider: no valid credential sources for found.", /no AWS credentials/],
  [
    "api error InvalidClientTokenId: The security token included in the request is invalid.",
    /AWS does not know these keys/,
  ],
  ["AWS account ID not allowed: 123456789012", /allowedAccountIds/],
  [
    "creating CloudFront Distribution: operation error CloudFront: CreateDistributionWithTags, https response error StatusCode: 403, RequestID: 1-a, AccessDenied: Your account must be verified before you can add new CloudFront resources.",
    /AWS Support has to verify/,
  ],
  [
    "api error AccessDeniedException: User: arn:aws:iam::1:user/u is not authorized to perform: ecs:CreateService on resource: arn",
    /Allow ecs:CreateService to/,
  ],
  ["api error UnauthorizedOperation: You are not authorized to perform this operation.", /may not do this/],
  [
    "operation error ECS: CreateService, InvalidParameterException: Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
    /create-service-linked-role --aws-service-name ecs/,
  ],
  ["api error VpcLimitExceeded: The maximum number of VPCs has been reached.", /L-F678F1CE/],
  ["api error AddressLimitExceeded: The maximum number of addresses has been reached.", /Elastic IP/],
  [
    "TooManyDistributions: Your request contains more Distributions than the limit",
    /CloudFront distributions/,
  ],
  ["TooManyLoadBalancers: The maximum number of load balancers has been reached", /raise the quota/],
  ["ServerlessCacheQuotaForCustomerExceededFault: QuotaExceeded", /raise the quota/],
  [
    "ImageTagAlreadyExistsException: tag invalid: The image tag 'x' already exists in the repository and cannot be overwritten because the tag is immutable.",
    /ECR never overwrites/,
  ],
  [
    "api error OperationAborted: A conflicting conditional operation is currently in progress against this resource.",
    /still changing it, or deleting/,
  ],
  ["ResourceAlreadyExistsException: The specified log group already exists", /pulumi import/],
  ["DuplicateLoadBalancerName: A load balancer with the same name exists", /has this name/],
  [
    "InvalidViewerCertificate: The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid",
    /issued one from ACM in us-east-1/,
  ],
  [
    "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'",
    /linux\/arm64/,
  ],
  ["waiting for ECS Service (x) create: unexpected state 'tasks failed to start'", /do not become healthy/],
  ["ECS deployment circuit breaker: tasks failed to start.", /do not become healthy/],
  ["InvalidParameterException: The target group does not have an associated load balancer.", /wait a minute/],
  [
    "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    /no capacity/,
  ],
  [
    "failed to solve: node:24: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
    /docker login/,
  ],
  ["dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: no such host", /^Docker Hub cannot be reached/],
  [
    "waiting for ECS Service (arn:aws:ecs:us-east-1:1:service/c/s) delete: timeout while waiting for state to become 'INACTIVE' (last state: 'DRAINING', timeout: 20m0s)",
    /still stopping the tasks/,
  ],
  [
    "ValidationError: The maximum number of characters for the target group name is 32",
    /longer than AWS takes/,
  ],
  ["api error TooManyRequestsException: Too many requests", /asked too often/],
  ["api error Throttling: Rate exceeded", /asked too often/],
  ...[
    "api error DependencyViolation: resource sg-1 has a dependent object",
    "api error ResourceInUse: Target group 'tg' is currently in use by a listener or a rule",
    "InvalidUserStateFault: User websocket is not in an active state",
    "InvalidUserGroupStateFault: User group websocket is modifying",
    "InvalidServerlessCacheStateFault: Serverless cache is in creating state",
  ].map((message): [string, RegExp] => [
    message,
    /wait a minute, then run the command again.* If AWS says the same then, something .* uses it: find and delete that/,
  ]),
  ["BucketNotEmpty: The bucket you tried to delete is not empty", /empty it yourself/],
  [
    "failed to connect to the docker API: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
    /start it/,
  ],
  ['resource "urn:pulumi:prod" cannot be deleted\nbecause it is protected.', /Set protect to false/],
  ["dial tcp: lookup ecs.us-east-1.amazonaws.com: no such host", /cannot be reached/],
];

describe("what deploy says of failures", () => {
  for (const [message, fix] of SAID) {
    it(`knows what helps against: ${unwrapped(message).slice(0, 60)}`, () => {
      assert.match(likelyFix(message) ?? "", fix);
    });
  }

  it("has an example of each known error here", () => {
    const found = new Set(
      SAID.map(([message]) => KNOWN_ERRORS.findIndex(({ pattern }) => pattern.test(message))),
    );
    assert.deepEqual(
      [...found].sort((one, other) => one - other),
      [...KNOWN_ERRORS.keys()],
    );
  });

  it("has nothing to advise against what it does not know", () => {
    assert.equal(likelyFix("the moon is in the wrong place"), undefined);
  });

  it("keeps what AWS said, and drops what the layers around it add", () => {
    assert.equal(
      unwrapped(
        "1 error occurred:\n\t* creating ECS Service (x): operation error ECS: CreateService, https response error StatusCode: 400, RequestID: 0-1-a, InvalidParameterException: No.: provider=aws@7.48.0",
      ),
      "creating ECS Service (x): ECS CreateService InvalidParameterException: No.",
    );
  });

  it("names the resource, what was said of it, and the likely fix; and says it once", () => {
    const progress = new Progress();
    const service = urn("aws:ecs/service:Service", "web");
    const error = (message: string, of = service): EngineEvent => ({
      sequence: 0,
      timestamp: 0,
      diagnosticEvent: { urn: of, message, color: "never", severity: "error" },
    });
    for (const event of [
      step("resourcePreEvent", "create", service),
      error(
        "sdk-v2/provider2.go:572: api error AccessDeniedException: not authorized to perform: ecs:CreateService",
      ),
      error(
        "<{%reset%}>api error AccessDeniedException: not authorized to perform: ecs:CreateService<{%reset%}>\n",
      ),
      step("resOpFailedEvent", "create", service),
      error("update failed", urn("pulumi:pulumi:Stack", "websocket-dev")),
    ]) {
      progress.apply(event, 0);
    }

    assert.equal(
      describeFailures(progress, undefined),
      [
        "web (aws:ecs:Service) could not be created:",
        "  AccessDeniedException: not authorized to perform: ecs:CreateService",
        "  likely fix: Allow ecs:CreateService to the role or user that you deploy with, then run the command again: it goes on from here.",
      ].join("\n"),
    );
    assert.equal(describeFailures(progress, new Error("The program says so.")), "The program says so.");
  });
});
