/** Declared CloudFront distributions: how they route a viewer request, and what they send to the origin. */
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import { type DeclaredGraph, type DeclaredResource, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import { endToEnd, type Headers, valuesOf, withAppended, withHeader, without } from "../headers.ts";
import { type DeclaredOrigin, readOrigin } from "./origin.ts";
import {
  type DeclaredOriginRequestPolicy,
  readOriginRequestPolicy,
  selectHeaders,
  selectQuery,
} from "./originRequestPolicy.ts";
import { splitTarget } from "../requestTarget.ts";
import { type DeclaredResponseHeadersPolicy, readResponseHeadersPolicy } from "./responseHeadersPolicy.ts";
import { matchesWildcard } from "../wildcard.ts";

export const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";

/** CloudFront closes a WebSocket if the origin sends nothing for this time. */
export const WEBSOCKET_IDLE_SECONDS = 600;

/**
 * User-Agent of requests whose origin request policy does not forward that of the viewer.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
 */
const USER_AGENT = "Amazon CloudFront";

export interface DeclaredDistribution {
  readonly name: string;
  /** The distribution's domain name, which the Via header contains. */
  readonly domainName: string;
  /** Alternate domain names. */
  readonly aliases: readonly string[];
  /** The object that CloudFront returns for `/`, without the slash; empty if there is none. */
  readonly defaultRootObject: string;
  readonly origins: readonly DeclaredOrigin[];
  /** By precedence; the last one, with the pattern `*`, is the default. */
  readonly behaviors: readonly CacheBehavior[];
}

export interface CacheBehavior {
  readonly pathPattern: string;
  readonly targetOriginId: string;
  readonly viewerProtocolPolicy: "https-only" | "redirect-to-https" | "allow-all";
  readonly allowedMethods: readonly string[];
  readonly originRequestPolicy: DeclaredOriginRequestPolicy;
  readonly responseHeadersPolicy: DeclaredResponseHeadersPolicy;
}

export interface ViewerRequest {
  readonly secure: boolean;
  readonly method: string;
  /** Path and query, as the viewer sent them. */
  readonly target: string;
}

export type EdgeDecision =
  | {
      readonly type: "forward";
      readonly behavior: CacheBehavior;
      readonly origin: DeclaredOrigin;
      /** Path and query, as the origin receives them. */
      readonly target: string;
    }
  | { readonly type: "refuse"; readonly status: number; readonly reason: string }
  | { readonly type: "redirect"; readonly status: number };

/** @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate. */
export function readDistributions(graph: DeclaredGraph): readonly DeclaredDistribution[] {
  return findResources(graph, DISTRIBUTION).map((resource) => readDistribution(graph, resource));
}

function readDistribution(graph: DeclaredGraph, resource: DeclaredResource): DeclaredDistribution {
  const inputs = FieldReader.inputsOf(resource);
  return {
    name: resource.name,
    domainName: FieldReader.outputsOf(resource).text("domainName"),
    aliases: inputs.texts("aliases"),
    defaultRootObject: inputs.text("defaultRootObject", ""),
    origins: inputs.list("origins").map((origin) => readOrigin(graph, origin)),
    behaviors: [
      ...inputs
        .list("orderedCacheBehaviors")
        .map((behavior) => readBehavior(graph, behavior, behavior.text("pathPattern"))),
      readBehavior(graph, inputs.object("defaultCacheBehavior"), "*"),
    ],
  };
}

function readBehavior(graph: DeclaredGraph, behavior: FieldReader, pathPattern: string): CacheBehavior {
  return {
    pathPattern,
    targetOriginId: behavior.text("targetOriginId"),
    viewerProtocolPolicy: behavior.choice("viewerProtocolPolicy", [
      "https-only",
      "redirect-to-https",
      "allow-all",
    ]),
    allowedMethods: behavior.texts("allowedMethods"),
    originRequestPolicy: readOriginRequestPolicy(graph, behavior),
    responseHeadersPolicy: readResponseHeadersPolicy(behavior),
  };
}

/**
 * Forwards, redirects or refuses a viewer request, by the first cache behavior whose pattern matches.
 * @throws {ExpectedError} if the origin of the behavior is not declared.
 */
export function routeViewerRequest(
  distribution: DeclaredDistribution,
  { secure, method, target }: ViewerRequest,
): EdgeDecision {
  const { path } = splitTarget(target);
  const behavior = distribution.behaviors.find(
    ({ pathPattern }) => matchesWildcard(pathPattern, path) || matchesWildcard(`/${pathPattern}`, path),
  );
  const origin = distribution.origins.find(({ id }) => id === behavior?.targetOriginId);
  if (behavior === undefined || origin === undefined) {
    throw new ExpectedError(`${distribution.name}: the program declares no origin for ${path}.`);
  }
  if (!secure && behavior.viewerProtocolPolicy === "https-only") {
    return { type: "refuse", status: 403, reason: "This distribution accepts HTTPS only." };
  }
  if (!secure && behavior.viewerProtocolPolicy === "redirect-to-https") {
    // 307 keeps the method and the body.
    return { type: "redirect", status: method === "GET" || method === "HEAD" ? 301 : 307 };
  }
  if (!behavior.allowedMethods.includes(method)) {
    return { type: "refuse", status: 403, reason: `This distribution does not allow ${method}.` };
  }
  const { defaultRootObject } = distribution;
  const rooted =
    path === "/" && defaultRootObject !== "" ? `/${defaultRootObject}${target.slice(path.length)}` : target;
  return {
    type: "forward",
    behavior,
    origin,
    target: origin.path + selectQuery(behavior.originRequestPolicy, rooted),
  };
}

/** Headers of a viewer that CloudFront does not forward to a custom origin, whatever the policy is. */
const REMOVED_HEADERS = ["Expect", "X-Forwarded-Proto", "X-Real-IP"];
const REMOVED_PREFIX = "x-edge-";

/**
 * The end-to-end headers of a viewer request, as the origin receives them.
 * @param requestId the value of X-Amz-Cf-Id, which identifies the request.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#request-custom-headers-behavior
 */
export function originRequestHeaders(
  distribution: DeclaredDistribution,
  { behavior, origin }: { readonly behavior: CacheBehavior; readonly origin: DeclaredOrigin },
  headers: Headers,
  viewerAddress: string,
  requestId: string,
): Headers {
  const viewers = without(endToEnd(headers), ...REMOVED_HEADERS).filter(
    ([name]) => !name.toLowerCase().startsWith(REMOVED_PREFIX),
  );
  const passed = selectHeaders(behavior.originRequestPolicy, viewers);
  const complete = withDefault(withDefault(passed, "Host", origin.domainName), "User-Agent", USER_AGENT);
  // CloudFront forwards the viewer's list, whatever the policy is.
  const addresses = [...valuesOf(viewers, "X-Forwarded-For"), viewerAddress].join(", ");
  const traced = withHeader(
    withAppended(
      withHeader(complete, "X-Forwarded-For", addresses),
      "Via",
      `1.1 ${distribution.domainName} (CloudFront)`,
    ),
    "X-Amz-Cf-Id",
    requestId,
  );
  // CloudFront replaces a viewer's headers that have these names.
  return [...without(traced, ...origin.customHeaders.map(([name]) => name)), ...origin.customHeaders];
}

function withDefault(headers: Headers, name: string, value: string): Headers {
  return valuesOf(headers, name).length > 0 ? headers : withHeader(headers, name, value);
}
