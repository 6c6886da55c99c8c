/** What the engine has reported of one operation, as data: the resources with their changes, and the errors. */
import type { EngineEvent, OpType, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";

/** The change of one resource, all steps of the operation taken together. */
export type Change = "create" | "update" | "replace" | "delete" | "same";

export interface Resource {
  readonly urn: string;
  /** For example `aws:ecs/service:Service`. */
  readonly type: string;
  readonly name: string;
  /** Whether a provider manages it; `false` for a component. */
  readonly custom: boolean;
  /** Whether the cloud keeps the resource if Pulumi deletes or replaces it (`retainOnDelete`). */
  readonly isRetained: boolean;
  readonly change: Change;
  readonly hasFailed: boolean;
}

/** An error that the engine, the program, a provider or a policy reported. */
export interface EngineError {
  /** `undefined` if the error is about no resource, or about the stack. */
  readonly resource: Pick<Resource, "urn" | "type" | "name"> | undefined;
  readonly message: string;
}

const STACK_TYPE = "pulumi:pulumi:Stack";

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

/** Collects the events of one operation. */
export class EngineReport {
  readonly #resources = new Map<string, Resource>();
  readonly #errors: EngineError[] = [];

  /** Every resource that the engine has reported, by URN: the stack and components too. */
  get resources(): ReadonlyMap<string, Resource> {
    return this.#resources;
  }

  get errors(): readonly EngineError[] {
    return this.#errors;
  }

  /** The resources that exist in the cloud: not the stack, no components, no providers. */
  get inCloud(): readonly Resource[] {
    return [...this.#resources.values()].filter(isInCloud);
  }

  /** The resources in the cloud that do not stay the same. */
  get changed(): readonly Resource[] {
    return this.inCloud.filter(({ change }) => change !== "same");
  }

  apply({
    resourcePreEvent,
    resOutputsEvent,
    resOpFailedEvent,
    diagnosticEvent,
    policyEvent,
  }: EngineEvent): void {
    const step = resourcePreEvent ?? resOutputsEvent ?? resOpFailedEvent;
    if (step) this.#addStep(step.metadata, step === resOpFailedEvent);
    if (diagnosticEvent?.severity === "error") this.#addError(diagnosticEvent.urn, diagnosticEvent.message);
    if (policyEvent?.enforcementLevel === "mandatory")
      this.#addError(policyEvent.resourceUrn, `${policyEvent.policyName}: ${policyEvent.message}`);
  }

  #addStep(metadata: StepEventMetadata, hasFailed: boolean): void {
    const { urn, op } = metadata;
    const known = this.#resources.get(urn);
    this.#resources.set(urn, {
      urn,
      ...parseUrn(urn),
      custom: (metadata.new ?? metadata.old)?.custom ?? false,
      // The state decides: a new `retainOnDelete` takes effect only after the update.
      isRetained: metadata.old?.retainOnDelete ?? known?.isRetained ?? false,
      // Some steps of a replacement are reported as another change.
      change: known?.change === "replace" ? "replace" : CHANGES[op],
      hasFailed: hasFailed || known?.hasFailed === true,
    });
  }

  #addError(urn: string | undefined, coloredMessage: string): void {
    const message = withoutColor(coloredMessage).trim();
    if (message === "") return;
    const resource = urn === undefined || urn === "" ? undefined : { urn, ...parseUrn(urn) };
    this.#errors.push({ resource: resource?.type === STACK_TYPE ? undefined : resource, message });
  }
}

/** Whether a resource exists in the cloud; components and providers exist only in Pulumi. */
export function isInCloud({ custom, type }: Pick<Resource, "custom" | "type">): boolean {
  return custom && !type.startsWith("pulumi:");
}

/** A URN is `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`. */
function parseUrn(urn: string): Pick<Resource, "type" | "name"> {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

/** The engine marks colors as `<{%fg 1%}>`. */
function withoutColor(text: string): string {
  return text.replaceAll(/<\{%.*?%\}>/g, "");
}
