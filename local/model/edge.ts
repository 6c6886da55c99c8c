/** What the declared CloudFront distribution does, as functions of its declared values. */
import { type DeclaredGraph, theOnly } from "../../infra/graph.ts";
import { Declared } from "./declared.ts";
import { endToEnd, type Headers, withAppended, withHeader, without } from "./headers.ts";
import { matchesWildcard } from "./wildcard.ts";

/** What CloudFront assumes where the program leaves a value out (CloudFront API reference). */
const AWS_DEFAULTS = { originReadTimeoutSeconds: 30 } as const;

/** Fixed by CloudFront: a WebSocket without bytes from the origin for so long is dropped. */
export const WEBSOCKET_IDLE_SECONDS = 600;

/** Managed origin request policies, whose ids are the same in every account (CloudFront developer guide). */
const MANAGED_POLICIES: Readonly<Record<string, ForwardedHeaders>> = {
  "216adef6-5c7f-47e4-b989-5492eafa07d3": "all", // AllViewer
  "b689b0a8-53d0-40ab-baf2-68738e2966ac": "all-but-host", // AllViewerExceptHostHeader
};

/** Which of the viewer's headers reach the origin. */
type ForwardedHeaders = "all" | "all-but-host" | "none";

export interface Edge {
  readonly name: string;
  /** The distribution's own domain, which Via names. */
  readonly domainName: string;
  /** Object for a request of `/`, without the slash; empty for none. */
  readonly defaultRootObject: string;
  readonly origins: readonly Origin[];
  /** In the order in which they are tried; the last one, for `*`, is the default. */
  readonly behaviors: readonly Behavior[];
}

export interface Origin {
  readonly id: string;
  readonly domainName: string;
  readonly port: number;
  /** Time to the first byte of a response. */
  readonly readTimeoutSeconds: number;
  readonly customHeaders: Headers;
}

export interface Behavior {
  readonly pathPattern: string;
  readonly targetOriginId: string;
  readonly viewerProtocolPolicy: "https-only" | "redirect-to-https" | "allow-all";
  readonly allowedMethods: readonly string[];
  readonly forwardedHeaders: ForwardedHeaders;
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
      readonly target: string;
    }
  | { readonly type: "refuse"; readonly status: number; readonly reason: string }
  | { readonly type: "redirect"; readonly status: number };

/** @throws {Error} naming the resource and the input that cannot be played, or where there is no distribution. */
export function readEdge(graph: DeclaredGraph): Edge {
  const resource = theOnly(graph, "aws:cloudfront/distribution:Distribution");
  const inputs = Declared.inputsOf(resource);
  return {
    name: resource.name,
    domainName: Declared.outputsOf(resource).text("domainName"),
    defaultRootObject: inputs.text("defaultRootObject", ""),
    origins: inputs.list("origins").map(readOrigin),
    behaviors: [
      ...inputs
        .list("orderedCacheBehaviors")
        .map((behavior) => readBehavior(behavior, behavior.text("pathPattern"))),
      readBehavior(inputs.object("defaultCacheBehavior"), "*"),
    ],
  };
}

function readOrigin(origin: Declared): Origin {
  const config = origin.object("customOriginConfig");
  config.choice("originProtocolPolicy", ["http-only"]);
  return {
    id: origin.text("originId"),
    domainName: origin.text("domainName"),
    port: config.number("httpPort"),
    readTimeoutSeconds: config.number("originReadTimeout", AWS_DEFAULTS.originReadTimeoutSeconds),
    customHeaders: origin
      .list("customHeaders")
      .map((header) => [header.text("name"), header.text("value")] as const),
  };
}

function readBehavior(behavior: Declared, pathPattern: string): Behavior {
  return {
    pathPattern,
    targetOriginId: behavior.text("targetOriginId"),
    viewerProtocolPolicy: behavior.choice("viewerProtocolPolicy", [
      "https-only",
      "redirect-to-https",
      "allow-all",
    ]),
    allowedMethods: behavior.texts("allowedMethods"),
    forwardedHeaders: behavior.has("originRequestPolicyId")
      ? (MANAGED_POLICIES[behavior.text("originRequestPolicyId")] ?? "all")
      : "none",
  };
}

/**
 * What becomes of a viewer's request.
 * @throws {Error} where the behaviour's origin is not declared.
 */
export function decide(edge: Edge, { secure, method, target }: ViewerRequest): EdgeDecision {
  const path = target.split("?", 1)[0] ?? "";
  const behavior = edge.behaviors.find(
    ({ pathPattern }) => matchesWildcard(pathPattern, path) || matchesWildcard(`/${pathPattern}`, path),
  );
  const origin = edge.origins.find(({ id }) => id === behavior?.targetOriginId);
  if (behavior === undefined || origin === undefined) {
    throw new Error(`${edge.name}: no declared origin is the target of ${path}.`);
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
  const rooted = path === "/" && edge.defaultRootObject !== "";
  return {
    type: "forward",
    behavior,
    origin,
    target: rooted ? `/${edge.defaultRootObject}${target.slice(path.length)}` : target,
  };
}

/** What the protocol itself needs; without a policy CloudFront passes on nothing of the viewer's own. */
const OF_THE_MESSAGE = ["content-length", "content-type"];

/** The headers of a viewer's request as the origin receives them, hop-by-hop fields excepted. */
export function originHeaders(
  edge: Edge,
  { behavior, origin }: { readonly behavior: Behavior; readonly origin: Origin },
  headers: Headers,
  viewerAddress: string,
): Headers {
  const viewers = endToEnd(headers);
  const passed =
    behavior.forwardedHeaders === "none"
      ? viewers.filter(([name]) => OF_THE_MESSAGE.includes(name.toLowerCase()))
      : viewers;
  const hosted = behavior.forwardedHeaders === "all" ? passed : withHeader(passed, "Host", origin.domainName);
  const traced = withAppended(
    withAppended(hosted, "X-Forwarded-For", viewerAddress),
    "Via",
    `1.1 ${edge.domainName} (CloudFront)`,
  );
  // A viewer cannot pass for the edge: its own fields of these names go.
  return [...without(traced, ...origin.customHeaders.map(([name]) => name)), ...origin.customHeaders];
}
