import { pino } from "pino";
import type { Logger } from "pino";

type LogLine = Readonly<Record<string, unknown>>;

/** A logger, and the lines that it has written. */
export interface RecordedLog {
  readonly logger: Logger;
  readonly lines: LogLine[];
  /** Messages of the lines, in order. */
  readonly messages: () => readonly unknown[];
}

export function recordLog(level = "info"): RecordedLog {
  const lines: LogLine[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as LogLine);
  const logger = pino({ level, base: null, timestamp: false }, { write });
  return { logger, lines, messages: () => lines.map(({ msg }) => msg) };
}
