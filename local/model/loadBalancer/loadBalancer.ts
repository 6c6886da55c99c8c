/** Declared load balancers, and the headers that they forward. */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import { type Headers, withAppended, withHeader, without } from "../headers.ts";
import { type DeclaredListener, listenersOf } from "./listener.ts";

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html */
const DEFAULT_IDLE_TIMEOUT_SECONDS = 60;

export interface DeclaredLoadBalancer {
  readonly name: string;
  readonly arn: string;
  readonly dnsName: string;
  /** Whether it has private addresses only. */
  readonly internal: boolean;
  readonly idleTimeoutSeconds: number;
  readonly dropInvalidHeaderFields: boolean;
  readonly xffHeaderProcessingMode: "append" | "preserve" | "remove";
  readonly listeners: readonly DeclaredListener[];
}

/** @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate. */
export function readLoadBalancers(graph: DeclaredGraph): readonly DeclaredLoadBalancer[] {
  return findResources(graph, "aws:lb/loadBalancer:LoadBalancer").map((resource) => {
    const inputs = FieldReader.inputsOf(resource);
    const outputs = FieldReader.outputsOf(resource);
    inputs.choice("loadBalancerType", ["application"], "application");
    const arn = outputs.text("arn");
    return {
      name: resource.name,
      arn,
      dnsName: outputs.text("dnsName"),
      internal: inputs.flag("internal", false),
      idleTimeoutSeconds: inputs.number("idleTimeout", DEFAULT_IDLE_TIMEOUT_SECONDS),
      dropInvalidHeaderFields: inputs.flag("dropInvalidHeaderFields", false),
      xffHeaderProcessingMode: inputs.choice(
        "xffHeaderProcessingMode",
        ["append", "preserve", "remove"],
        "append",
      ),
      listeners: listenersOf(graph, arn),
    };
  });
}

/** "Only alphanumeric characters and hyphens" (routing.http.drop_invalid_header_fields.enabled). */
const VALID_HEADER_NAME = /^[A-Za-z0-9-]+$/;

/**
 * The headers that the target receives.
 * @param headers the end-to-end headers of the request.
 */
export function forwardedHeaders(
  loadBalancer: DeclaredLoadBalancer,
  listener: Pick<DeclaredListener, "protocol" | "port">,
  headers: Headers,
  peerAddress: string,
): Headers {
  const valid = loadBalancer.dropInvalidHeaderFields
    ? headers.filter(([name]) => VALID_HEADER_NAME.test(name))
    : headers;
  const stated = withHeader(
    withHeader(valid, "X-Forwarded-Proto", listener.protocol.toLowerCase()),
    "X-Forwarded-Port",
    String(listener.port),
  );
  switch (loadBalancer.xffHeaderProcessingMode) {
    case "append":
      return withAppended(stated, "X-Forwarded-For", peerAddress);
    case "preserve":
      return stated;
    case "remove":
      return without(stated, "X-Forwarded-For");
  }
}
