/** `npm run package [FOLDER]` builds the npm package. The default folder is dist/package. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile } from "./compile.ts";
import { writeImageContext } from "./imageContext.ts";
import { writeManifest } from "./manifest.ts";
import { writeReadme } from "./readme.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const COPIED = [
  ...["CHANGELOG.md", "LICENSE", "console", "local/dashboard/page"],
  ...["policy/PulumiPolicy.yaml", "policy/package.json"],
  ...["provider/PulumiPlugin.yaml", "provider/package.json", "provider/schema.json"],
];
/** Import a module of their folder, which is compiled in the package. */
const STARTERS = ["policy/index.js", "provider/index.js"];

const folder = path.resolve(process.argv[2] ?? path.join(ROOT, "dist/package"));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

compile(ROOT, folder);
for (const name of COPIED) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
for (const name of STARTERS) {
  const source = readFileSync(path.join(ROOT, name), "utf8");
  writeFileSync(path.join(folder, name), source.replace('.ts";', '.js";'));
}
writeReadme(ROOT, folder);
writeImageContext(ROOT, folder);
writeManifest(ROOT, folder);
