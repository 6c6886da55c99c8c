/** A preview as a comment on a pull request. */
import type { EngineReport } from "../engine/engineReport.ts";
import { describeLoss, lossesOf } from "../engine/losses.ts";
import { describeCounts } from "../engine/wording.ts";

/** Keeps a comment about two stacks below GitHub's limit of 65,536 characters. */
const MAX_OUTPUT_CHARACTERS = 25_000;

/**
 * @param output what the CLI printed, without colors.
 * @param failure why the preview failed.
 */
export function previewMarkdown(
  stack: string,
  preview: EngineReport,
  output: string,
  failure?: string,
): string {
  const rest = output.length - MAX_OUTPUT_CHARACTERS;
  const shown = output.slice(0, MAX_OUTPUT_CHARACTERS) + (rest > 0 ? `\n… ${rest} more characters` : "");
  return [
    // The workflow finds its own comment by this line, and edits it.
    `<!-- deploy preview ${stack} -->`,
    `### Preview of \`${stack}\`: ${failure === undefined ? describeCounts(preview, "planned") : "failed"}`,
    ...(failure === undefined ? [] : [block(failure)]),
    ...lossesOf(preview).map((loss) => `> [!CAUTION]\n> ${describeLoss(loss)}.\n`),
    `<details><summary>Output</summary>\n\n${block(shown)}\n\n</details>`,
    "",
  ].join("\n");
}

function block(text: string): string {
  return `\`\`\`text\n${text.trim().replaceAll("```", "'''")}\n\`\`\``;
}
