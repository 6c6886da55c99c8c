/** Values over time, for charts. */
import { connectionsTarget } from "../stack.ts";
import type { Result } from "../summary.ts";

export interface Series {
  readonly title: string;
  /** One for each minute. */
  readonly values: readonly number[];
  /** The value that a chart has for a span of several minutes. */
  readonly ofSpan: (values: readonly number[]) => number;
  /** A value that the chart marks. */
  readonly mark: { readonly label: string; readonly value: number } | undefined;
}

export function connectionsSeries({ stack, simulation }: Result): Series {
  const target = connectionsTarget(stack);
  return {
    title: "connections, busiest task",
    values: simulation.minutes.map(({ busiest }) => busiest),
    ofSpan: (values) => Math.max(...values),
    mark: target === undefined ? undefined : { label: "target", value: target },
  };
}

export function tasksSeries({ stack, simulation }: Result): Series {
  return {
    title: "tasks",
    values: simulation.minutes.map(({ tasks }) => tasks),
    ofSpan: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
    mark: { label: "maximum", value: stack.scaling.max },
  };
}

/** The values of `count` equal spans of time; those of the minutes if there are fewer. */
export function valuesOfSpans({ values, ofSpan }: Series, count: number): readonly number[] {
  if (values.length <= count) return values;
  return Array.from({ length: count }, (_, span) => {
    const from = Math.floor((span * values.length) / count);
    const to = Math.floor(((span + 1) * values.length) / count);
    return ofSpan(values.slice(from, to));
  });
}

/** The end of an axis that shows all values and marks: 1, 2, 2.5, 5 or 8 times a power of ten. */
export function axisEnd(all: readonly Series[]): number {
  const max = Math.max(1, ...all.flatMap(({ values, mark }) => [Math.max(...values), mark?.value ?? 0]));
  const power = 10 ** Math.floor(Math.log10(max));
  const factor = [1, 2, 2.5, 5, 8, 10].find((each) => each * power >= max) ?? 10;
  return factor * power;
}

/** The time after a number of minutes, such as `40 min`, `6 h` or `2:40 h`. */
export function formatTime(minutes: number): string {
  if (minutes > 0 && minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`} h`;
}

/** Such as `12,400`; small values have a decimal. */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** Replaces the end of a text that is longer than `max` characters. */
export function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
