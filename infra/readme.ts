/** The stack's page in Pulumi Cloud: https://www.pulumi.com/docs/pulumi-cloud/projects-and-stacks/#stack-readme */

const REFERENCE = /\$\{outputs\.(?<name>\w+)\}/g;

/**
 * Removes the paragraphs and table rows that refer to outputs which the stack does not have.
 * @param page Markdown with references such as `${outputs.websocketUrl}`.
 * @param outputs names of the stack outputs.
 */
export function renderReadme(page: string, outputs: readonly string[]): string {
  const isAvailable = (text: string): boolean =>
    [...text.matchAll(REFERENCE)].every(({ groups }) => outputs.includes(groups?.["name"] ?? ""));
  return page
    .split("\n\n")
    .map((block) => (block.startsWith("|") ? block.split("\n").filter(isAvailable).join("\n") : block))
    .filter(isAvailable)
    .join("\n\n");
}
