/** The words for resources and their states, shared by the lines, the tree and the summary. */
import { stripVTControlCharacters } from "node:util";
import type { Tone } from "../../cli/paint.ts";
import type { Change, Progress, Resource } from "./progress.ts";

const MS_PER_SECOND = 1000;
const SECONDS_PER_MINUTE = 60;

/** In the order in which counts are told. */
export const CHANGES = {
  create: { symbol: "+", doing: "creating", done: "created", tone: "good" },
  update: { symbol: "~", doing: "updating", done: "updated", tone: "warn" },
  replace: { symbol: "±", doing: "replacing", done: "replaced", tone: "warn" },
  delete: { symbol: "-", doing: "deleting", done: "deleted", tone: "bad" },
  same: { symbol: " ", doing: "looking at", done: "unchanged", tone: "dim" },
} as const satisfies Record<Change, { symbol: string; doing: string; done: string; tone: Tone }>;

/** `aws:ecs/service:Service` as users write it: `aws:ecs:Service`. */
export function shortType(type: string): string {
  return type.replace(/^([^:]+):([^/:]+)(?:\/[^:]+)?:/, (_all, name: string, module: string) =>
    module === "index" ? `${name}:` : `${name}:${module}:`,
  );
}

/** `3.2 s`, or from a minute on `4 min 05 s`. */
export function duration(ms: number): string {
  const seconds = ms / MS_PER_SECOND;
  if (seconds < SECONDS_PER_MINUTE) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const rest = String(whole % SECONDS_PER_MINUTE).padStart(2, "0");
  return `${Math.floor(whole / SECONDS_PER_MINUTE)} min ${rest} s`;
}

/** `2 to create, 1 to replace, 47 unchanged`. */
export function describeCounts({ inCloud }: Progress, tense: "planned" | "done"): string {
  const byState = Map.groupBy(inCloud, ({ state }) =>
    tense === "planned" && state === "running" ? "done" : state,
  );
  const counts = Object.entries(CHANGES).flatMap(([change, { done }]) => {
    const count = (byState.get("done") ?? []).filter((resource) => resource.change === change).length;
    if (count === 0) return [];
    return [change === "same" || tense === "done" ? `${count} ${done}` : `${count} to ${change}`];
  });
  const failed = byState.get("failed")?.length ?? 0;
  const running = byState.get("running")?.length ?? 0;
  if (failed > 0) counts.push(`${failed} failed`);
  if (running > 0) counts.push(`${running} not finished`);
  return counts.join(", ") || "no resources";
}

export function nameAndType({ name, type }: Pick<Resource, "name" | "type">): string {
  return `${name} (${shortType(type)})`;
}

export function plural(count: number, one: string): string {
  return count === 1 ? `1 ${one}` : `${count} ${one}s`;
}

/** Cuts a line where the terminal ends. It may have colours only if it fits. */
export function cut(line: string, width: number, paint: (text: string) => string): string {
  const plain = stripVTControlCharacters(line);
  return paint(plain.length <= width ? plain : `${plain.slice(0, Math.max(0, width - 1))}…`);
}
