/** A declared listener: which of its rules takes a request. */
import { type DeclaredGraph, type DeclaredResource, ofType } from "../../../infra/evaluation/graph.ts";
import { type Action, readAction } from "./action.ts";
import { type Condition, holds, readConditions, type RequestHead } from "./condition.ts";
import { Declared } from "../declared.ts";

/** What AWS assumes where the program leaves it out: the next after the highest of the listener, so these keep their order. */
const DEFAULT_PRIORITY = 50_000;

export interface Listener {
  readonly name: string;
  /** `HTTPS` ends TLS here. */
  readonly protocol: "HTTP" | "HTTPS";
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

/** The listeners of a load balancer. */
export function listenersOf(graph: DeclaredGraph, loadBalancerArn: string): readonly Listener[] {
  return ofType(graph, "aws:lb/listener:Listener")
    .filter((listener) => Declared.inputsOf(listener).text("loadBalancerArn") === loadBalancerArn)
    .map((listener) => readListener(graph, listener));
}

function readListener(graph: DeclaredGraph, resource: DeclaredResource): Listener {
  const inputs = Declared.inputsOf(resource);
  const arn = Declared.outputsOf(resource).text("arn");
  return {
    name: resource.name,
    protocol: inputs.choice("protocol", ["HTTP", "HTTPS"]),
    port: inputs.number("port"),
    defaultAction: readAction(inputs, "defaultActions"),
    rules: ofType(graph, "aws:lb/listenerRule:ListenerRule")
      .map((rule) => Declared.inputsOf(rule))
      .filter((rule) => rule.text("listenerArn") === arn)
      .map((rule) => ({
        priority: rule.number("priority", DEFAULT_PRIORITY),
        conditions: rule.list("conditions").flatMap(readConditions),
        action: readAction(rule, "actions"),
      }))
      .toSorted((a, b) => a.priority - b.priority),
  };
}

/** The action of the first rule, by priority, whose conditions all hold; else the listener's default. */
export function decide(listener: Listener, request: RequestHead): Action {
  const rule = listener.rules.find(({ conditions }) => conditions.every((c) => holds(c, request)));
  return rule?.action ?? listener.defaultAction;
}
