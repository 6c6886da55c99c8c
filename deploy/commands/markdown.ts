/** A preview as a comment on a pull request. */
import type { EngineReport, Resource } from "../engine/engineReport.ts";
import { lossesOf } from "../engine/losses.ts";
import { CHANGES, describeCounts, shortType } from "../engine/wording.ts";

/** Keeps the comment below GitHub's limit of 65,536 characters. */
const MAX_ROWS = 150;

/** @param failure why the preview failed; the table then lists the changes that were found before. */
export function previewMarkdown(stack: string, preview: EngineReport, failure?: string): string {
  const { changed } = preview;
  return [
    // The workflow finds its own comment by this line, and edits it.
    `<!-- deploy preview ${stack} -->`,
    `### Preview of \`${stack}\`: ${failure === undefined ? describeCounts(preview, "planned") : "failed"}`,
    ...(failure === undefined ? [] : ["```text", failure.replaceAll("```", "'''"), "```"]),
    ...lossesOf(preview).map(
      ({ resource, what }) =>
        `> [!CAUTION]\n> \`${resource.name}\` would be ${CHANGES[resource.change].done}: ${what} would be lost.\n`,
    ),
    ...(changed.length === 0
      ? []
      : ["", "| | Resource | Type | Changes |", "|-|-|-|-|", ...changed.slice(0, MAX_ROWS).map(row)]),
    ...(changed.length > MAX_ROWS ? [`\n… and ${changed.length - MAX_ROWS} more.`] : []),
    "",
  ].join("\n");
}

function row({ change, name, type, properties }: Resource): string {
  const cells = [
    `\`${CHANGES[change].symbol}\` ${change}`,
    code(name),
    code(shortType(type)),
    properties.map(code).join("<br>"),
  ];
  return `| ${cells.join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text.replaceAll("`", "'").replaceAll("|", "\\|")}\``;
}
