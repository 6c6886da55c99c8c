/** A preview as a comment of a pull request. */
import type { Progress, Resource } from "./progress/progress.ts";
import { CHANGES, describeCounts, shortType } from "./progress/text.ts";
import { losses } from "./stateful.ts";

/** GitHub takes 65,536 characters; a table this long stays below, and nobody reads more. */
const MAX_ROWS = 150;

/** @param failure what went wrong; the table then shows how far it came. */
export function previewMarkdown(stack: string, preview: Progress, failure?: string): string {
  const changed = preview.changed;
  const lost = losses(preview);
  return [
    // By this a workflow finds its own comment, and edits it.
    `<!-- deploy preview ${stack} -->`,
    `### Preview of \`${stack}\`: ${failure === undefined ? describeCounts(preview, "planned") : "failed"}`,
    ...(failure === undefined ? [] : ["```text", failure.replaceAll("```", "'''"), "```"]),
    ...lost.map(
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

function row({ change, name, type, diffs }: Resource): string {
  const cells = [
    `\`${CHANGES[change].symbol}\` ${change}`,
    code(name),
    code(shortType(type)),
    diffs.map(code).join("<br>"),
  ];
  return `| ${cells.join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text.replaceAll("`", "'").replaceAll("|", "\\|")}\``;
}
