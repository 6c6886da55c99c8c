/** Events in the form of the engine. */
import type { EngineEvent, OpType, StepEventStateMetadata } from "@pulumi/pulumi/automation/index.js";

export const STACK_URN = urn("pulumi:pulumi:Stack", "websocket-dev");

export function urn(type: string, name: string): string {
  return `urn:pulumi:dev::websocket::${type}::${name}`;
}

export interface StepOptions {
  readonly custom?: boolean;
  readonly old?: Record<string, unknown>;
  /** `retainOnDelete` of the old state. */
  readonly retained?: boolean;
}

export function step(
  kind: "resourcePreEvent" | "resOutputsEvent" | "resOpFailedEvent",
  op: OpType,
  of: string,
  { custom = true, old, retained }: StepOptions = {},
): EngineEvent {
  const type = of.split("::")[2] ?? "";
  const state = (values: Record<string, unknown>): StepEventStateMetadata => ({
    type,
    urn: of,
    custom,
    id: "",
    parent: STACK_URN,
    inputs: values,
    outputs: {},
    provider: "",
  });
  // The engine sends null for an absent state.
  const before =
    old === undefined ? null : { ...state(old), ...(retained !== undefined && { retainOnDelete: retained }) };
  const metadata = { op, urn: of, type, provider: "", old: before, new: state({}) };
  return { sequence: 0, timestamp: 0, [kind]: { metadata, status: 0, steps: 0 } };
}
