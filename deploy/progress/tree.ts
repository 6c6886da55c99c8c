/** The resources as a tree that fits on a screen. */
import { isInCloud, STACK_TYPE, type Progress, type Resource } from "./progress.ts";
import type { Paint, Tone } from "../../cli/paint.ts";
import { CHANGES, cut, duration, plural, shortType } from "./text.ts";

const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
export const SPINNER_MS = 100;

export interface TreeOptions {
  readonly nowMs: number;
  readonly width: number;
  /** Lines at most: what is finished goes first, then the rest from the end. */
  readonly height: number;
  /** A preview: nothing is running or done, all of it is planned. */
  readonly planned: boolean;
  /** Nothing goes on any more. Before that, a component of which everything is done is one line. */
  readonly ended: boolean;
  readonly paint: Paint;
}

interface Line {
  readonly text: string;
  readonly tone: Tone;
  readonly finished: boolean;
}

/** The lines for everything that changes, under the components that it belongs to. */
export function renderTree(progress: Progress, options: TreeOptions): readonly string[] {
  const { width, height, paint } = options;
  const lines = linesOf(progress, options);
  return fit(lines, height).map(({ text, tone }) => cut(text, width, (plain) => paint(tone, plain)));
}

function linesOf(progress: Progress, options: TreeOptions): readonly Line[] {
  const children = Map.groupBy(progress.resources.values(), ({ parent }) => parent);
  const childrenOf = ({ urn }: Resource): readonly Resource[] => children.get(urn) ?? [];

  function descendants(resource: Resource): readonly Resource[] {
    return [resource, ...childrenOf(resource).flatMap(descendants)];
  }

  function below(resource: Resource, depth: number): readonly Line[] {
    const family = descendants(resource).filter(isShown);
    if (family.length === 0) return [];
    if (resource.type === STACK_TYPE) return childrenOf(resource).flatMap((child) => below(child, depth));
    const folded =
      !options.ended &&
      !options.planned &&
      family.length > 1 &&
      family.every(({ state }) => state === "done");
    if (folded) return [foldedLine(resource, family, depth)];
    return [
      line(resource, depth, options),
      ...childrenOf(resource).flatMap((child) => below(child, depth + 1)),
    ];
  }

  const roots = [...progress.resources.values()].filter(({ parent }) => !progress.resources.has(parent));
  return roots.flatMap((root) => below(root, 0));
}

function isShown({ type, change, state }: Resource): boolean {
  return !type.startsWith("pulumi:") && (change !== "same" || state === "failed");
}

function line(resource: Resource, depth: number, { nowMs, planned, ended }: TreeOptions): Line {
  const { name, type, change, state, startedAt, endedAt, diffs } = resource;
  const { symbol, doing, done, tone } = CHANGES[change];
  const diff =
    diffs.length > 0 && change !== "create" && change !== "delete" ? `  [${diffs.join(", ")}]` : "";
  const indent = "  ".repeat(depth);
  const what = `${name}  ${shortType(type)}`;
  if (planned) return { text: `${indent}${symbol} ${what}${diff}`, tone, finished: false };
  const time = duration((endedAt ?? nowMs) - startedAt);
  switch (state) {
    case "running": {
      if (ended) return { text: `${indent}· ${what}  not finished`, tone: "dim", finished: false };
      const frame = SPINNER[Math.floor(nowMs / SPINNER_MS) % SPINNER.length] ?? SPINNER[0];
      return { text: `${indent}${frame} ${what}  ${doing} ${time}${diff}`, tone: "plain", finished: false };
    }
    case "done":
      // A parent that stays the same is there for the sake of its children.
      return change === "same"
        ? { text: `${indent}  ${what}`, tone: "dim", finished: true }
        : { text: `${indent}✓ ${what}  ${done} ${time}${diff}`, tone, finished: true };
    case "failed":
      return { text: `${indent}✗ ${what}  failed after ${time}`, tone: "bad", finished: false };
  }
}

function foldedLine(resource: Resource, family: readonly Resource[], depth: number): Line {
  const start = Math.min(...family.map(({ startedAt }) => startedAt));
  const end = Math.max(...family.map(({ endedAt }) => endedAt ?? start));
  return {
    text: `${"  ".repeat(depth)}✓ ${resource.name}  ${plural(family.filter(isInCloud).length, "resource")}  ${duration(end - start)}`,
    tone: "good",
    finished: true,
  };
}

function fit(lines: readonly Line[], height: number): readonly Line[] {
  if (lines.length <= height) return lines;
  const excess = lines.length - height + 1;
  const dropped = new Set(lines.filter(({ finished }) => finished).slice(0, excess));
  const left = lines.filter((candidate) => !dropped.has(candidate));
  const note = (text: string): Line => ({ text, tone: "dim", finished: true });
  if (left.length < height) return [note(`✓ ${dropped.size} more are done`), ...left];
  const kept = left.slice(0, Math.max(0, height - 1));
  return [...kept, note(`… and ${lines.length - kept.length} more`)];
}
