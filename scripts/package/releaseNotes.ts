/** `node scripts/package/releaseNotes.ts TAG` compares a tag with the versions, and prints the tag's section of CHANGELOG.md. */
import { readFileSync } from "node:fs";
import path from "node:path";

const PUBLISHED = ["package.json", "client/package.json"];
const CHANGELOG = "CHANGELOG.md";
const TAG = /^v\d+\.\d+\.\d+(-[\w.-]+)?$/;

/**
 * @param root folder of the repository.
 * @returns Markdown without the heading of the section.
 * @throws {Error} that lists everything that differs from the tag.
 */
export function releaseNotes(root: string, tag: string): string {
  if (!TAG.test(tag)) throw new Error(`The tag: got ${JSON.stringify(tag)}; expected one such as v1.2.3.`);
  const version = tag.slice(1);
  const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
  const section = read(CHANGELOG)
    .split(/^## /m)
    .find((text) => text.startsWith(`[${version}] - `));
  const problems = PUBLISHED.flatMap((file) => {
    const got = (JSON.parse(read(file)) as { readonly version: string }).version;
    return got === version ? [] : [`${file}: got version ${got}; expected ${version}, as the tag.`];
  });
  if (section === undefined)
    problems.push(`${CHANGELOG}: got no section of ${version}; expected "## [${version}] - DATE".`);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return (section ?? "").replace(/^.*\n/, "").trim();
}

if (import.meta.main) {
  process.stdout.write(
    `${releaseNotes(path.resolve(import.meta.dirname, "../.."), process.argv[2] ?? "")}\n`,
  );
}
