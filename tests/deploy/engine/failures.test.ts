import assert from "node:assert/strict";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { EngineReport } from "../../../deploy/engine/engineReport.ts";
import { describeFailures, unwrap } from "../../../deploy/engine/failures.ts";
import { KNOWN_ERRORS, likelyFix } from "../../../deploy/engine/knownErrors.ts";
import { STACK_URN, step, urn } from "./events.ts";

/** Messages of AWS, its SDK and Pulumi's Terraform bridge. */
const EXAMPLES: readonly (readonly [message: string, fix: RegExp])[] = [
  [
    "operation error STS: GetCallerIdentity, https response error StatusCode: 403, RequestID: 1-a, api error ExpiredToken: The security token included in the request is expired",
    /`aws sso login`/,
  ],
  [
    "configuring Terraform AWS Provider: failed to get shared config profile, team",
    /^The profile team is not/,
  ],
  ["configuring Terraform AWS Provider: no valid credential sources for found.", /^No AWS credentials/],
  ["api error InvalidClientTokenId: The security token included in the request is invalid.", /access key/],
  ["AWS account ID not allowed: 123456789012", /allowedAccountIds/],
  [
    "operation error CloudFront: CreateDistributionWithTags, AccessDenied: Your account must be verified before you can add new CloudFront resources.",
    /AWS Support/,
  ],
  [
    "api error AccessDeniedException: User: arn:aws:iam::1:user/u is not authorized to perform: ecs:CreateService on resource: arn",
    /^Allow ecs:CreateService to/,
  ],
  [
    "api error UnauthorizedOperation: You are not authorized to perform this operation.",
    /^Allow the action above/,
  ],
  [
    "operation error ECS: CreateService, InvalidParameterException: Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
    /create-service-linked-role --aws-service-name ecs/,
  ],
  ["api error VpcLimitExceeded: The maximum number of VPCs has been reached.", /L-F678F1CE/],
  ["api error AddressLimitExceeded: The maximum number of addresses has been reached.", /L-0263D0A3/],
  [
    "TooManyDistributions: Your request contains more Distributions than the limit",
    /CloudFront distributions/,
  ],
  ["TooManyLoadBalancers: The maximum number of load balancers has been reached", /Service Quotas/],
  ["ServerlessCacheQuotaForCustomerExceededFault: QuotaExceeded", /Service Quotas/],
  [
    "ImageTagAlreadyExistsException: tag invalid: The image tag 'x' already exists in the repository and cannot be overwritten because the tag is immutable.",
    /^ECR does not overwrite/,
  ],
  [
    "api error OperationAborted: A conflicting conditional operation is currently in progress against this resource.",
    /still changing the resource/,
  ],
  ["ResourceAlreadyExistsException: The specified log group already exists", /`npx pulumi import`/],
  ["DuplicateLoadBalancerName: A load balancer with the same name exists", /has this name/],
  [
    "InvalidViewerCertificate: The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid",
    /CloudFront: us-east-1/,
  ],
  [
    "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'",
    /linux\/arm64/,
  ],
  ["waiting for ECS Service (x) create: unexpected state 'tasks failed to start'", /did not become healthy/],
  ["ECS deployment circuit breaker: tasks failed to start.", /did not become healthy/],
  [
    "InvalidParameterException: The target group does not have an associated load balancer.",
    /listener did not exist/,
  ],
  ["Capacity is unavailable at this time. Please try again later", /no capacity/],
  [
    "failed to solve: node:24: toomanyrequests: You have reached your unauthenticated pull rate limit.",
    /`docker login`/,
  ],
  ["dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: no such host", /^Docker Hub cannot be reached/],
  [
    "waiting for ECS Service (arn:aws:ecs:us-east-1:1:service/c/s) delete: timeout while waiting for state to become 'INACTIVE' (last state: 'DRAINING', timeout: 20m0s)",
    /still stopping the tasks/,
  ],
  [
    "ValidationError: The maximum number of characters for the target group name is 32",
    /longer than AWS allows/,
  ],
  ["api error TooManyRequestsException: Too many requests", /throttles/],
  ["api error Throttling: Rate exceeded", /throttles/],
  ["api error DependencyViolation: resource sg-1 has a dependent object", /still releasing/],
  [
    "api error ResourceInUse: Target group 'tg' is currently in use by a listener or a rule",
    /still releasing/,
  ],
  ["InvalidUserStateFault: User websocket is not in an active state", /still releasing/],
  ["InvalidUserGroupStateFault: User group websocket is modifying", /still releasing/],
  ["InvalidServerlessCacheStateFault: Serverless cache is in creating state", /still releasing/],
  ["BucketNotEmpty: The bucket you tried to delete is not empty", /retainData/],
  [
    "failed to connect to the docker API: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
    /start it/,
  ],
  ['resource "urn:pulumi:prod" cannot be deleted\nbecause it is protected.', /Set protect to false/],
  ["dial tcp: lookup ecs.us-east-1.amazonaws.com: no such host", /^AWS cannot be reached/],
];

describe("the failures of deploy", () => {
  it("have a likely fix for each known error", () => {
    for (const [message, fix] of EXAMPLES) assert.match(likelyFix(message) ?? "", fix, message);
    assert.equal(likelyFix("an unknown error"), undefined);
    const found = KNOWN_ERRORS.filter(({ pattern }) =>
      EXAMPLES.some(
        ([message]) => KNOWN_ERRORS.find((known) => known.pattern.test(message))?.pattern === pattern,
      ),
    );
    assert.equal(found.length, KNOWN_ERRORS.length, "every known error has an example");
  });

  it("keep AWS's message without the text of the layers around it", () => {
    assert.equal(
      unwrap(
        "1 error occurred:\n\t* creating ECS Service (x): operation error ECS: CreateService, https response error StatusCode: 400, RequestID: 0-1-a, InvalidParameterException: No.: provider=aws@7.48.0",
      ),
      "creating ECS Service (x): ECS CreateService InvalidParameterException: No.",
    );
  });

  it("name the resource, the message and the likely fix, each once", () => {
    const report = new EngineReport();
    const service = urn("aws:ecs/service:Service", "web");
    const denied = "api error AccessDeniedException: not authorized to perform: ecs:CreateService";
    const error = (message: string, of = service): EngineEvent => ({
      sequence: 0,
      timestamp: 0,
      diagnosticEvent: { urn: of, message, color: "never", severity: "error" },
    });
    for (const event of [
      step("resourcePreEvent", "create", service),
      error(`sdk-v2/provider2.go:572: ${denied}`),
      error(`<{%reset%}>${denied}<{%reset%}>\n`),
      error(denied),
      step("resOpFailedEvent", "create", service),
      error("update failed", STACK_URN),
    ]) {
      report.apply(event);
    }

    assert.equal(
      describeFailures(report, undefined),
      [
        "web (aws:ecs:Service) could not be created:",
        "  AccessDeniedException: not authorized to perform: ecs:CreateService",
        "  likely fix: Allow ecs:CreateService to the role or user that deploys, then run the command again: it continues from here.",
      ].join("\n"),
    );
    assert.equal(describeFailures(report, new Error("The program's error.")), "The program's error.");
  });
});
