/** What a declared CloudFront distribution does, as functions of its declared values. */
import { type DeclaredGraph, type DeclaredResource, ofType } from "../../../infra/evaluation/graph.ts";
import { Declared } from "../declared.ts";
import { endToEnd, type Headers, valuesOf, withAppended, withHeader, without } from "../headers.ts";
import { type Origin, readOrigin } from "./origin.ts";
import {
  type OriginRequestPolicy,
  readOriginRequestPolicy,
  selectHeaders,
  selectQuery,
} from "./originRequestPolicy.ts";
import { splitTarget } from "../requestTarget.ts";
import { matchesWildcard } from "../wildcard.ts";

export const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";

/** Fixed by CloudFront: a WebSocket without bytes from the origin for so long is dropped. */
export const WEBSOCKET_IDLE_SECONDS = 600;

/** What the origin hears where no User-Agent is passed on (Amazon CloudFront developer guide, "Control origin requests"). */
const USER_AGENT = "Amazon CloudFront";

export interface Distribution {
  readonly name: string;
  /** The distribution's own domain, which Via names. */
  readonly domainName: string;
  /** Its other names. */
  readonly aliases: readonly string[];
  /** Object for a request of `/`, without the slash; empty for none. */
  readonly defaultRootObject: string;
  readonly origins: readonly Origin[];
  /** In the order in which they are tried; the last one, for `*`, is the default. */
  readonly behaviors: readonly Behavior[];
}

export interface Behavior {
  readonly pathPattern: string;
  readonly targetOriginId: string;
  readonly viewerProtocolPolicy: "https-only" | "redirect-to-https" | "allow-all";
  readonly allowedMethods: readonly string[];
  readonly originRequestPolicy: OriginRequestPolicy;
}

export interface ViewerRequest {
  readonly secure: boolean;
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
}

export type EdgeDecision =
  | {
      readonly type: "forward";
      readonly behavior: Behavior;
      readonly origin: Origin;
      /** Path and query as the origin receives them. */
      readonly target: string;
    }
  | { readonly type: "refuse"; readonly status: number; readonly reason: string }
  | { readonly type: "redirect"; readonly status: number };

/** @throws {Error} naming the resource and the input that cannot be played. */
export function readDistributions(graph: DeclaredGraph): readonly Distribution[] {
  return ofType(graph, DISTRIBUTION).map((resource) => readDistribution(graph, resource));
}

function readDistribution(graph: DeclaredGraph, resource: DeclaredResource): Distribution {
  const inputs = Declared.inputsOf(resource);
  return {
    name: resource.name,
    domainName: Declared.outputsOf(resource).text("domainName"),
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

function readBehavior(graph: DeclaredGraph, behavior: Declared, pathPattern: string): Behavior {
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
  };
}

/**
 * What becomes of a viewer's request.
 * @throws {Error} where the behaviour's origin is not declared.
 */
export function decide(distribution: Distribution, { secure, method, target }: ViewerRequest): EdgeDecision {
  const { path } = splitTarget(target);
  const behavior = distribution.behaviors.find(
    ({ pathPattern }) => matchesWildcard(pathPattern, path) || matchesWildcard(`/${pathPattern}`, path),
  );
  const origin = distribution.origins.find(({ id }) => id === behavior?.targetOriginId);
  if (behavior === undefined || origin === undefined) {
    throw new Error(`${distribution.name}: no declared origin is the target of ${path}.`);
  }
  if (!secure && behavior.viewerProtocolPolicy === "https-only") {
    return { type: "refuse", status: 403, reason: "This distribution admits HTTPS only." };
  }
  if (!secure && behavior.viewerProtocolPolicy === "redirect-to-https") {
    // 307 keeps the method and the body of what is not a plain read.
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

/** The headers of a viewer's request as the origin receives them, hop-by-hop fields excepted. */
export function originHeaders(
  distribution: Distribution,
  { behavior, origin }: { readonly behavior: Behavior; readonly origin: Origin },
  headers: Headers,
  viewerAddress: string,
): Headers {
  const viewers = endToEnd(headers);
  const passed = selectHeaders(behavior.originRequestPolicy, viewers);
  const complete = withDefault(withDefault(passed, "Host", origin.domainName), "User-Agent", USER_AGENT);
  // The viewer's own list goes on, whatever the policy.
  const addresses = [...valuesOf(viewers, "X-Forwarded-For"), viewerAddress].join(", ");
  const traced = withAppended(
    withHeader(complete, "X-Forwarded-For", addresses),
    "Via",
    `1.1 ${distribution.domainName} (CloudFront)`,
  );
  // A viewer cannot pass for the edge: its own fields of these names go.
  return [...without(traced, ...origin.customHeaders.map(([name]) => name)), ...origin.customHeaders];
}

function withDefault(headers: Headers, name: string, value: string): Headers {
  return valuesOf(headers, name).length > 0 ? headers : withHeader(headers, name, value);
}
