/** How resources, changes and times are written. */
import type { Change, EngineReport, Resource } from "./engineReport.ts";

const MS_PER_SECOND = 1000;
const SECONDS_PER_MINUTE = 60;

/** In the order of {@link describeCounts}. */
export const CHANGES = {
  create: "created",
  update: "updated",
  replace: "replaced",
  delete: "deleted",
  same: "unchanged",
} as const satisfies Record<Change, string>;

/** `aws:ecs/service:Service` in the short form of Pulumi's documentation: `aws:ecs:Service`. */
export function shortType(type: string): string {
  return type.replace(/^([^:]+):([^/:]+)(?:\/[^:]+)?:/, (_all, name: string, module: string) =>
    module === "index" ? `${name}:` : `${name}:${module}:`,
  );
}

/** `3.2 s`; `4 min 05 s` from one minute on. */
export function formatDuration(ms: number): string {
  const seconds = ms / MS_PER_SECOND;
  if (seconds < SECONDS_PER_MINUTE) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const rest = String(whole % SECONDS_PER_MINUTE).padStart(2, "0");
  return `${Math.floor(whole / SECONDS_PER_MINUTE)} min ${rest} s`;
}

/** `2 to create, 47 unchanged` for a preview, else `2 created, 47 unchanged`. */
export function describeCounts(
  { inCloud }: Pick<EngineReport, "inCloud">,
  tense: "planned" | "done",
): string {
  const counts = Object.entries(CHANGES).flatMap(([change, done]) => {
    const count = inCloud.filter((resource) => resource.change === change).length;
    if (count === 0) return [];
    return [change === "same" || tense === "done" ? `${count} ${done}` : `${count} to ${change}`];
  });
  return counts.join(", ") || "no resources";
}

export function nameAndType({ name, type }: Pick<Resource, "name" | "type">): string {
  return `${name} (${shortType(type)})`;
}

export function countOf(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
