/** What the declared load balancers do, as functions of their declared values. */
import { type DeclaredGraph, ofType } from "../../../infra/evaluation/graph.ts";
import { Declared } from "../declared.ts";
import { type Headers, withAppended, withHeader, without } from "../headers.ts";
import { type Listener, listenersOf } from "./listener.ts";

/** What AWS assumes where the program leaves it out (Elastic Load Balancing v2 API reference). */
const DEFAULT_IDLE_TIMEOUT_SECONDS = 60;

export interface LoadBalancer {
  readonly name: string;
  readonly arn: string;
  readonly dnsName: string;
  /** Whether it has addresses inside its network only. */
  readonly internal: boolean;
  readonly idleTimeoutSeconds: number;
  readonly dropInvalidHeaderFields: boolean;
  readonly xffHeaderProcessingMode: "append" | "preserve" | "remove";
  readonly listeners: readonly Listener[];
}

/** @throws {Error} naming the resource and the input that cannot be played. */
export function readLoadBalancers(graph: DeclaredGraph): readonly LoadBalancer[] {
  return ofType(graph, "aws:lb/loadBalancer:LoadBalancer").map((resource) => {
    const inputs = Declared.inputsOf(resource);
    const outputs = Declared.outputsOf(resource);
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

/** The request's end-to-end headers as the target receives them. */
export function forwardedHeaders(
  loadBalancer: LoadBalancer,
  listener: Pick<Listener, "protocol" | "port">,
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
