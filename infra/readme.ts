/** The stack's page in Pulumi Cloud (Pulumi docs, Stack README), which fills the outputs in. */

const REFERENCE = /\$\{outputs\.(?<name>\w+)\}/g;

/**
 * The page of a stack with these outputs: rows of tables, and paragraphs, go where they name one that this stack does not
 * have.
 */
export function readmeFor(page: string, outputs: readonly string[]): string {
  const known = (text: string): boolean =>
    [...text.matchAll(REFERENCE)].every(({ groups }) => outputs.includes(groups?.["name"] ?? ""));
  return page
    .split("\n\n")
    .map((block) => (block.startsWith("|") ? block.split("\n").filter(known).join("\n") : block))
    .filter(known)
    .join("\n\n");
}
