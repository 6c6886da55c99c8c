/** What the declared load balancer does, as functions of its declared values. */
import { type DeclaredGraph, type DeclaredResource, ofType } from "../../infra/graph.ts";
import { Declared } from "./declared.ts";
import type { HealthThresholds } from "./health.ts";
import { type Headers, valuesOf, withAppended, withHeader, without } from "./headers.ts";
import { matchesWildcard } from "./wildcard.ts";

/** What AWS assumes where the program leaves a value out (Elastic Load Balancing v2 API reference). */
const AWS_DEFAULTS = {
  idleTimeoutSeconds: 60,
  deregistrationDelaySeconds: 300,
  healthCheckPath: "/",
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  matcher: "200",
} as const;

export interface LoadBalancer {
  readonly name: string;
  readonly idleTimeoutSeconds: number;
  readonly dropInvalidHeaderFields: boolean;
  readonly xffHeaderProcessingMode: "append" | "preserve" | "remove";
  readonly dnsName: string;
  readonly listeners: readonly Listener[];
}

export interface Listener {
  readonly name: string;
  /** As declared; on this machine it listens elsewhere. */
  readonly port: number;
  /** By priority, the smallest number first. */
  readonly rules: readonly Rule[];
  readonly defaultAction: Action;
}

export interface Rule {
  readonly priority: number;
  /** All of them must hold. */
  readonly conditions: readonly Condition[];
  readonly action: Action;
}

/** Holds where any of the values matches; `*` and `?` are wildcards. */
export interface Condition {
  readonly kind: "http-header" | "host-header" | "path-pattern" | "http-request-method";
  /** Name of the header, for `http-header` only. */
  readonly header: string | undefined;
  readonly values: readonly string[];
}

export type Action =
  | { readonly type: "forward"; readonly targetGroupArn: string }
  | {
      readonly type: "fixed-response";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    }
  | { readonly type: "redirect"; readonly status: number; readonly location: RedirectParts };

export interface RedirectParts {
  readonly protocol: string;
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly query: string;
}

/** What a rule can look at. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: Headers;
}

export type Algorithm = "round_robin" | "least_outstanding_requests" | "weighted_random";

export interface TargetGroup {
  readonly name: string;
  readonly arn: string;
  readonly port: number;
  readonly algorithm: Algorithm;
  readonly deregistrationDelaySeconds: number;
  readonly healthCheck: HealthCheck;
}

export interface HealthCheck {
  readonly path: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly thresholds: HealthThresholds;
  /** Status codes that pass, such as `200`, `200,202` or `200-299`. */
  readonly matcher: string;
}

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const LISTENER = "aws:lb/listener:Listener";
const LISTENER_RULE = "aws:lb/listenerRule:ListenerRule";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";

/** @throws {Error} naming the resource and the input that cannot be played. */
export function loadBalancers(graph: DeclaredGraph): readonly LoadBalancer[] {
  return ofType(graph, LOAD_BALANCER).map((resource) => {
    const inputs = Declared.inputsOf(resource);
    inputs.choice("loadBalancerType", ["application"], "application");
    const arn = Declared.outputsOf(resource).text("arn");
    return {
      name: resource.name,
      dnsName: Declared.outputsOf(resource).text("dnsName"),
      idleTimeoutSeconds: inputs.number("idleTimeout", AWS_DEFAULTS.idleTimeoutSeconds),
      dropInvalidHeaderFields: inputs.flag("dropInvalidHeaderFields", false),
      xffHeaderProcessingMode: inputs.choice(
        "xffHeaderProcessingMode",
        ["append", "preserve", "remove"],
        "append",
      ),
      listeners: ofType(graph, LISTENER)
        .filter((listener) => Declared.inputsOf(listener).text("loadBalancerArn") === arn)
        .map((listener) => readListener(graph, listener)),
    };
  });
}

export function targetGroups(graph: DeclaredGraph): readonly TargetGroup[] {
  return ofType(graph, TARGET_GROUP).map((resource) => {
    const inputs = Declared.inputsOf(resource);
    inputs.choice("protocol", ["HTTP"]);
    inputs.choice("targetType", ["ip"]);
    const check = inputs.objectOrEmpty("healthCheck");
    check.choice("protocol", ["HTTP"], "HTTP");
    return {
      name: resource.name,
      arn: Declared.outputsOf(resource).text("arn"),
      port: inputs.number("port"),
      algorithm: inputs.choice(
        "loadBalancingAlgorithmType",
        ["round_robin", "least_outstanding_requests", "weighted_random"],
        "round_robin",
      ),
      deregistrationDelaySeconds: inputs.number(
        "deregistrationDelay",
        AWS_DEFAULTS.deregistrationDelaySeconds,
      ),
      healthCheck: {
        path: check.text("path", AWS_DEFAULTS.healthCheckPath),
        intervalSeconds: check.number("interval", AWS_DEFAULTS.healthCheckIntervalSeconds),
        timeoutSeconds: check.number("timeout", AWS_DEFAULTS.healthCheckTimeoutSeconds),
        thresholds: {
          healthy: check.number("healthyThreshold", AWS_DEFAULTS.healthyThreshold),
          unhealthy: check.number("unhealthyThreshold", AWS_DEFAULTS.unhealthyThreshold),
        },
        matcher: check.text("matcher", AWS_DEFAULTS.matcher),
      },
    };
  });
}

function readListener(graph: DeclaredGraph, resource: DeclaredResource): Listener {
  const inputs = Declared.inputsOf(resource);
  const arn = Declared.outputsOf(resource).text("arn");
  inputs.choice("protocol", ["HTTP"]);
  return {
    name: resource.name,
    port: inputs.number("port"),
    defaultAction: readAction(inputs, "defaultActions"),
    rules: ofType(graph, LISTENER_RULE)
      .map((rule) => Declared.inputsOf(rule))
      .filter((rule) => rule.text("listenerArn") === arn)
      .map((rule) => ({
        priority: rule.number("priority"),
        conditions: rule.list("conditions").flatMap(readConditions),
        action: readAction(rule, "actions"),
      }))
      .toSorted((a, b) => a.priority - b.priority),
  };
}

/** Input of a rule's condition, and the kind that it makes. */
const CONDITIONS = [
  ["httpHeader", "http-header"],
  ["hostHeader", "host-header"],
  ["pathPattern", "path-pattern"],
  ["httpRequestMethod", "http-request-method"],
] as const;
const CONDITIONS_NOT_PLAYED = ["queryStrings", "sourceIp"];

function readConditions(condition: Declared): Condition[] {
  const found = CONDITIONS.filter(([input]) => condition.has(input)).map(([input, kind]) => {
    const inputs = condition.object(input);
    const header = kind === "http-header" ? inputs.text("httpHeaderName") : undefined;
    return { kind, header, values: inputs.texts("values") };
  });
  // A condition that is left out would let requests through that the cloud stops.
  if (found.length === 0 || found.some(({ values }) => values.length === 0)) {
    throw new Error(
      `${condition.where}: only values of ${CONDITIONS.map(([input]) => input).join(", ")} are played here; ` +
        `${CONDITIONS_NOT_PLAYED.join(", ")} and regular expressions are not.`,
    );
  }
  return found;
}

function readAction(owner: Declared, key: string): Action {
  const [action, ...others] = owner.list(key);
  if (action === undefined || others.length > 0) {
    throw new Error(`${owner.where}: ${key} must hold one action to be played here.`);
  }
  const type = action.choice("type", ["forward", "fixed-response", "redirect"]);
  switch (type) {
    case "forward":
      return { type, targetGroupArn: readTargetGroupArn(action) };
    case "fixed-response": {
      const response = action.object("fixedResponse");
      return {
        type,
        status: response.number("statusCode"),
        contentType: response.text("contentType"),
        body: response.text("messageBody", ""),
      };
    }
    case "redirect": {
      const redirect = action.object("redirect");
      return {
        type,
        status: Number(redirect.text("statusCode").replace("HTTP_", "")),
        location: {
          protocol: redirect.text("protocol", "#{protocol}"),
          host: redirect.text("host", "#{host}"),
          port: redirect.text("port", "#{port}"),
          path: redirect.text("path", "/#{path}"),
          query: redirect.text("query", "#{query}"),
        },
      };
    }
  }
}

function readTargetGroupArn(action: Declared): string {
  if (action.has("targetGroupArn")) return action.text("targetGroupArn");
  const [group, ...others] = action.object("forward").list("targetGroups");
  if (group === undefined || others.length > 0) {
    throw new Error(`${action.where}: only a forward to one target group is played here.`);
  }
  return group.text("arn");
}

/** The action of the first rule, by priority, whose conditions all hold; else the listener's default. */
export function decide(listener: Listener, request: RequestHead): Action {
  const rule = listener.rules.find(({ conditions }) => conditions.every((c) => holds(c, request)));
  return rule?.action ?? listener.defaultAction;
}

function holds({ kind, header, values }: Condition, request: RequestHead): boolean {
  const any = (texts: readonly string[], fold: (text: string) => string): boolean =>
    values.some((value) => texts.some((text) => matchesWildcard(fold(value), fold(text))));
  const lower = (text: string): string => text.toLowerCase();
  const exact = (text: string): string => text;
  switch (kind) {
    case "http-header":
      return header !== undefined && any(valuesOf(request.headers, header), lower);
    case "host-header":
      return any(valuesOf(request.headers, "host").map(hostName), lower);
    case "path-pattern":
      return any([splitTarget(request.target).path], exact);
    case "http-request-method":
      return values.includes(request.method);
  }
}

/** The Location of a redirect, its placeholders filled from the request. `port` is the one it came in by. */
export function redirectLocation(parts: RedirectParts, request: RequestHead, port: number): string {
  const { path, query } = splitTarget(request.target);
  const values: Readonly<Record<string, string>> = {
    protocol: "HTTP",
    host: hostName(valuesOf(request.headers, "host")[0] ?? ""),
    port: String(port),
    path: path.slice(1),
    query,
  };
  const fill = (text: string): string =>
    text.replaceAll(/#\{(\w+)\}/g, (all, name: string) => values[name] ?? all);
  const filledQuery = fill(parts.query);
  return (
    `${fill(parts.protocol).toLowerCase()}://${fill(parts.host)}:${fill(parts.port)}${fill(parts.path)}` +
    (filledQuery && `?${filledQuery}`)
  );
}

/** "Only alphanumeric characters and hyphens" (routing.http.drop_invalid_header_fields.enabled). */
const VALID_HEADER_NAME = /^[A-Za-z0-9-]+$/;

/** The request's end-to-end headers as the target receives them. */
export function forwardedHeaders(
  loadBalancer: LoadBalancer,
  headers: Headers,
  peer: { readonly address: string; readonly port: number },
): Headers {
  const valid = loadBalancer.dropInvalidHeaderFields
    ? headers.filter(([name]) => VALID_HEADER_NAME.test(name))
    : headers;
  const stated = withHeader(
    withHeader(valid, "X-Forwarded-Proto", "http"),
    "X-Forwarded-Port",
    String(peer.port),
  );
  switch (loadBalancer.xffHeaderProcessingMode) {
    case "append":
      return withAppended(stated, "X-Forwarded-For", peer.address);
    case "preserve":
      return stated;
    case "remove":
      return without(stated, "X-Forwarded-For");
  }
}

/** Whether a status code passes a health check's matcher. */
export function matchesStatus(matcher: string, status: number): boolean {
  return matcher.split(",").some((part) => {
    const [low, high = low] = part.split("-").map(Number);
    return low !== undefined && high !== undefined && status >= low && status <= high;
  });
}

export interface Candidate {
  readonly healthy: boolean;
  /** Requests and upgraded connections that are open now. */
  readonly outstanding: number;
}

/**
 * The target for the next request, or `undefined` where there is none. Where none is healthy, all are candidates
 * (the load balancer fails open). `turn` counts the requests; it breaks ties and makes the rounds, also of
 * weighted_random, whose weights are equal while no anomaly is detected.
 */
export function chooseTarget<T extends Candidate>(
  algorithm: Algorithm,
  targets: readonly T[],
  turn: number,
): T | undefined {
  const healthy = targets.filter((target) => target.healthy);
  const usable = healthy.length > 0 ? healthy : targets;
  const fewest = Math.min(...usable.map(({ outstanding }) => outstanding));
  const candidates =
    algorithm === "least_outstanding_requests"
      ? usable.filter(({ outstanding }) => outstanding === fewest)
      : usable;
  return candidates[turn % candidates.length];
}

function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf("?");
  return mark < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** The Host field without its port; an IPv6 address keeps its brackets. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, "");
}
