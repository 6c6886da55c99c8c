/** Colours for terminals, by what they mean. */
import { styleText } from "node:util";

export type Tone = "plain" | "dim" | "good" | "warn" | "bad" | "strong";
/** Colours a text, or leaves it alone. */
export type Paint = (tone: Tone, text: string) => string;

export const noPaint: Paint = (_tone, text) => text;

const STYLES = {
  plain: [],
  dim: ["dim"],
  good: ["green"],
  warn: ["yellow"],
  bad: ["red"],
  strong: ["bold"],
} as const satisfies Record<Tone, readonly Parameters<typeof styleText>[0][]>;

/** For what is written to this stream. styleText itself heeds NO_COLOR and what the terminal can do. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (tone, text) => styleText([...STYLES[tone]], text, { stream });
}
