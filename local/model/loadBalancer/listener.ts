/** Declared listeners, and the rule that applies to a request. */
import { type DeclaredGraph, type DeclaredResource, findResources } from "../../../infra/evaluation/graph.ts";
import { type ListenerAction, readAction } from "./action.ts";
import { type RuleCondition, matchesCondition, readConditions, type RequestHead } from "./condition.ts";
import { FieldReader } from "../fieldReader.ts";

export const LISTENER = "aws:lb/listener:Listener";
export const RULE = "aws:lb/listenerRule:ListenerRule";

/** AWS gives a rule without a priority the next number after the listener's highest. The local stack applies such rules last. */
const DEFAULT_PRIORITY = 50_000;

export interface DeclaredListener {
  readonly name: string;
  /** `HTTPS`: the listener terminates TLS. */
  readonly protocol: "HTTP" | "HTTPS";
  /** The declared port; the local port differs. */
  readonly port: number;
  /** By priority, the lowest number first. */
  readonly rules: readonly ListenerRule[];
  readonly defaultAction: ListenerAction;
}

export interface ListenerRule {
  readonly priority: number;
  /** All of them must match. */
  readonly conditions: readonly RuleCondition[];
  readonly action: ListenerAction;
}

/** The listeners of a load balancer. */
export function listenersOf(graph: DeclaredGraph, loadBalancerArn: string): readonly DeclaredListener[] {
  return findResources(graph, LISTENER)
    .filter((listener) => FieldReader.inputsOf(listener).text("loadBalancerArn") === loadBalancerArn)
    .map((listener) => readListener(graph, listener));
}

function readListener(graph: DeclaredGraph, resource: DeclaredResource): DeclaredListener {
  const inputs = FieldReader.inputsOf(resource);
  const arn = FieldReader.outputsOf(resource).text("arn");
  return {
    name: resource.name,
    protocol: inputs.choice("protocol", ["HTTP", "HTTPS"]),
    port: inputs.number("port"),
    defaultAction: readAction(inputs, "defaultActions"),
    rules: readRules(graph, arn),
  };
}

/** The rules of a listener, by priority. */
export function readRules(graph: DeclaredGraph, listenerArn: string): readonly ListenerRule[] {
  return findResources(graph, RULE)
    .map((rule) => FieldReader.inputsOf(rule))
    .filter((rule) => rule.text("listenerArn") === listenerArn)
    .map((rule) => ({
      priority: rule.number("priority", DEFAULT_PRIORITY),
      conditions: rule.list("conditions").flatMap(readConditions),
      action: readAction(rule, "actions"),
    }))
    .toSorted((a, b) => a.priority - b.priority);
}

/** The action of the first rule whose conditions all match, or the listener's default action. */
export function chooseAction(listener: DeclaredListener, request: RequestHead): ListenerAction {
  const rule = listener.rules.find(({ conditions }) => conditions.every((c) => matchesCondition(c, request)));
  return rule?.action ?? listener.defaultAction;
}
