/** Declared load balancers. */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import { type DeclaredListener, listenersOf } from "./listener.ts";

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html */
const AWS_DEFAULTS = { idleTimeoutSeconds: 60, clientKeepAliveSeconds: 3600 } as const;

export interface DeclaredLoadBalancer {
  readonly name: string;
  readonly arn: string;
  readonly dnsName: string;
  /** Whether it has private addresses only. */
  readonly internal: boolean;
  /** Maximum silence of a connection to a client or a target. */
  readonly idleTimeoutSeconds: number;
  /** The age of a client's connection after which the load balancer answers one more request, and closes it. */
  readonly clientKeepAliveSeconds: number;
  readonly dropInvalidHeaderFields: boolean;
  readonly preserveHostHeader: boolean;
  readonly xffHeaderProcessingMode: "append" | "preserve" | "remove";
  /** Whether an address that the load balancer appends to X-Forwarded-For has its port. */
  readonly xffClientPort: boolean;
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
      idleTimeoutSeconds: inputs.number("idleTimeout", AWS_DEFAULTS.idleTimeoutSeconds),
      clientKeepAliveSeconds: inputs.number("clientKeepAlive", AWS_DEFAULTS.clientKeepAliveSeconds),
      dropInvalidHeaderFields: inputs.flag("dropInvalidHeaderFields", false),
      preserveHostHeader: inputs.flag("preserveHostHeader", false),
      xffClientPort: inputs.flag("enableXffClientPort", false),
      xffHeaderProcessingMode: inputs.choice(
        "xffHeaderProcessingMode",
        ["append", "preserve", "remove"],
        "append",
      ),
      listeners: listenersOf(graph, arn),
    };
  });
}
