import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { type Coverage, coverageOf, type Limitation, limitationsOf } from "./coverage.ts";
import { ignoredInputs } from "./ignoredInputs.ts";
import { recordReads } from "./inputs.ts";
import { existingListenerLimitations } from "./loadBalancer/existingListener.ts";
import { type PartsOptions, readParts, type StackParts } from "./parts.ts";

export interface ReadStack {
  readonly parts: StackParts;
  readonly covered: readonly Coverage[];
  /** What is declared and missing here. */
  readonly limitations: readonly Limitation[];
}

/** Reads the parts of a declared stack, and which of its resources and inputs are not emulated. @throws {ExpectedError} as `readParts` */
export function readStack(graph: DeclaredGraph, options: PartsOptions): ReadStack {
  const reads = recordReads(graph);
  const parts = readParts(reads.graph, options);
  const covered = coverageOf(graph, parts.unsupported);
  const limitations = [
    ...limitationsOf(covered),
    ...existingListenerLimitations(graph),
    ...ignoredInputs(reads, covered),
  ];
  return { parts, covered, limitations };
}

/** The limitations that `before` does not include. */
export function newLimitations(
  before: readonly Limitation[],
  after: readonly Limitation[],
): readonly Limitation[] {
  return after.filter(
    ({ types, names, reason }) =>
      !before.some(
        (known) =>
          known.reason === reason &&
          types.every((type) => known.types.includes(type)) &&
          names.every((name) => known.names.includes(name)),
      ),
  );
}
