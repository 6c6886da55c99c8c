/** The README of the npm package, which is that of infra/ with links into the package, and the pages that it links to. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const LINK = /\]\(\.\.\/(?<target>[^)#]+)/g;

export function writeReadme(root: string, folder: string): void {
  const text = readFileSync(path.join(root, "infra/README.md"), "utf8");
  writeFileSync(path.join(folder, "README.md"), text.replaceAll(LINK, "]($<target>"));
  for (const { groups } of text.matchAll(LINK)) {
    const target = groups?.["target"] ?? "";
    mkdirSync(path.dirname(path.join(folder, target)), { recursive: true });
    copyFileSync(path.join(root, target), path.join(folder, target));
  }
}
