/** What the engine has told so far, as data: the resources with their changes, states and times. */
import type { EngineEvent, OpType, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import { diffsOf } from "./diffs.ts";

/** What happens to a resource, all its steps taken together. */
export type Change = "create" | "update" | "replace" | "delete" | "same";
export type State = "running" | "done" | "failed";

export interface Resource {
  readonly urn: string;
  /** Such as `aws:ecs/service:Service`. */
  readonly type: string;
  readonly name: string;
  /** URN; empty for none. */
  readonly parent: string;
  /** Has a provider that makes it: no component. */
  readonly custom: boolean;
  /** Outlives its deletion, and its replacement: only Pulumi forgets it. */
  readonly retained: boolean;
  readonly change: Change;
  readonly state: State;
  /** Milliseconds of the clock given to {@link Progress.apply}. */
  readonly startedAt: number;
  readonly endedAt: number | undefined;
  /** What an update or replacement changes: `path: old → new`. */
  readonly diffs: readonly string[];
}

/** An error that the engine, the program or a provider reported. */
export interface Problem {
  /** `undefined` where it is about no resource of the stack. */
  readonly resource: Pick<Resource, "urn" | "type" | "name"> | undefined;
  readonly message: string;
}

/** What an event means to someone who reads along. */
export type Happening =
  | { readonly kind: "started" | "finished" | "failed"; readonly resource: Resource }
  | { readonly kind: "warning" | "error"; readonly problem: Problem };

export const STACK_TYPE = "pulumi:pulumi:Stack";

const CHANGES: Readonly<Record<OpType, Change>> = {
  same: "same",
  create: "create",
  update: "update",
  delete: "delete",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
  read: "same",
  "read-replacement": "same",
  refresh: "same",
  discard: "same",
  "discard-replaced": "same",
  "remove-pending-replace": "same",
  import: "create",
  "import-replacement": "replace",
};

export class Progress {
  readonly #resources = new Map<string, Resource>();
  readonly #errors: Problem[] = [];
  readonly #warnings = new Set<string>();

  /** By URN, in the order in which they appeared. */
  get resources(): ReadonlyMap<string, Resource> {
    return this.#resources;
  }

  get errors(): readonly Problem[] {
    return this.#errors;
  }

  /** What stands for something in the cloud: no component, no provider, not the stack. */
  get inCloud(): readonly Resource[] {
    return [...this.#resources.values()].filter(isInCloud);
  }

  /** What of it does not stay the same. */
  get changed(): readonly Resource[] {
    return this.inCloud.filter(({ change }) => change !== "same");
  }

  /** @returns what is worth telling; `undefined` where the event is not. */
  apply(event: EngineEvent, nowMs: number): Happening | undefined {
    if (event.resourcePreEvent) return this.#step(event.resourcePreEvent.metadata, "running", nowMs);
    if (event.resOutputsEvent) return this.#step(event.resOutputsEvent.metadata, "done", nowMs);
    if (event.resOpFailedEvent) return this.#step(event.resOpFailedEvent.metadata, "failed", nowMs);
    if (event.diagnosticEvent) return this.#diagnostic(event.diagnosticEvent);
    if (event.policyEvent) {
      const { resourceUrn, message, policyName, enforcementLevel } = event.policyEvent;
      return this.#problem(
        enforcementLevel === "mandatory" ? "error" : "warning",
        resourceUrn,
        `${policyName}: ${withoutColor(message)}`,
      );
    }
    return undefined;
  }

  #step(metadata: StepEventMetadata, state: State, nowMs: number): Happening {
    const { urn, op } = metadata;
    const known = this.#resources.get(urn);
    const { type, name } = identity(urn);
    const { parent = "", custom = false } = metadata.new ?? metadata.old ?? {};
    // What there is says whether it stays; what is to be may say otherwise, and is not asked.
    const retained = metadata.old?.retainOnDelete ?? known?.retained ?? false;
    const diffs = diffsOf(metadata);
    const resource: Resource = {
      urn,
      type,
      name,
      parent,
      custom,
      retained,
      // A replacement comes in several steps, some of which look like less.
      change: known?.change === "replace" ? "replace" : CHANGES[op],
      state: known?.state === "failed" ? "failed" : state,
      startedAt: known?.startedAt ?? nowMs,
      endedAt: state === "running" ? undefined : nowMs,
      diffs: diffs.length > 0 ? diffs : (known?.diffs ?? []),
    };
    this.#resources.set(urn, resource);
    return { kind: STEP_KINDS[state], resource };
  }

  #diagnostic({
    urn,
    message,
    severity,
  }: NonNullable<EngineEvent["diagnosticEvent"]>): Happening | undefined {
    const text = withoutColor(message).trim();
    if (text === "" || severity === "info" || severity === "info#err") return undefined;
    return this.#problem(severity, urn, text);
  }

  /** A warning comes from every step again, and is told once. */
  #problem(kind: "warning" | "error", urn: string | undefined, message: string): Happening | undefined {
    if (kind === "warning" && this.#warnings.has(message)) return undefined;
    this.#warnings.add(message);
    const resource = urn === undefined || urn === "" ? undefined : { urn, ...identity(urn) };
    const problem = { resource: resource?.type === STACK_TYPE ? undefined : resource, message };
    if (kind === "error") this.#errors.push(problem);
    return { kind, problem };
  }
}

/** Components and providers exist only in Pulumi. */
export function isInCloud({ custom, type }: Pick<Resource, "custom" | "type">): boolean {
  return custom && !type.startsWith("pulumi:");
}

const STEP_KINDS = { running: "started", done: "finished", failed: "failed" } as const;

/** A URN is `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`. */
function identity(urn: string): Pick<Resource, "type" | "name"> {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

/** The engine marks colours as `<{%fg 1%}>`. */
function withoutColor(text: string): string {
  return text.replaceAll(/<\{%.*?%\}>/g, "");
}
