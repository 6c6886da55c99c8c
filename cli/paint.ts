/** Colours for terminals, by their meaning. */
import { styleText } from "node:util";

export type Tone = "plain" | "dim" | "good" | "warn" | "bad" | "strong";
/** Returns the text in the colour of the tone, or unchanged. */
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

/** Colours for text that is written to this stream. `styleText` respects NO_COLOR and the terminal's abilities. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (tone, text) => styleText([...STYLES[tone]], text, { stream });
}
