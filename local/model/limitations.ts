import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { type Coverage, coverageOf, type Limitation, limitationsOf } from "./coverage.ts";
import { ignoredInputs } from "./ignoredInputs.ts";
import { recordReads } from "./inputs.ts";
import { existingListenerLimitations } from "./loadBalancer/existingListener.ts";
import { type PartsOptions, readParts, type StackParts } from "./parts.ts";
import { selectService } from "./selectService.ts";
import { type DeclaredService, SERVICE_TYPE } from "./service.ts";

export interface ReadStack {
  /** The selected service, and what belongs to no other one. */
  readonly graph: DeclaredGraph;
  readonly parts: StackParts;
  readonly covered: readonly Coverage[];
  /** What is declared and missing here. */
  readonly limitations: readonly Limitation[];
}

/** Reads the parts of a declared stack, and which of its resources and inputs are not emulated. @throws {ExpectedError} as `readParts` */
export function readStack(graph: DeclaredGraph, options: PartsOptions): ReadStack {
  const selected = selectService(graph, options.service);
  const reads = recordReads(selected);
  const parts = readParts(reads.graph, options);
  const covered = coverageOf(reads.graph, parts.unsupported);
  return {
    graph: selected,
    parts,
    covered,
    limitations: [
      ...limitationsOf(covered),
      ...existingListenerLimitations(reads.graph),
      ...ignoredInputs(reads, covered, parts.servicePath?.service.sidecars ?? []),
      ...limitationsOfService(parts.servicePath?.service),
    ],
  };
}

function limitationsOfService(service: DeclaredService | undefined): readonly Limitation[] {
  if (service === undefined) return [];
  const { name, sidecars, container } = service;
  const about = { types: [SERVICE_TYPE], names: [name] };
  const { missingSecrets } = container;
  return [
    ...(sidecars.length === 0
      ? []
      : [{ ...about, reason: `the local stack does not run ${sidecars.join(", ")}` }]),
    ...(missingSecrets.length === 0
      ? []
      : [
          {
            ...about,
            reason: `only AWS has the values of ${missingSecrets.join(", ")}, unless the environment of this command has them`,
          },
        ]),
  ];
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
