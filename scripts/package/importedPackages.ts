/** The packages that a built package imports. */
import { globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import ts from "typescript";

/** Used in the repository only, if the built client is missing. */
const NOT_USED = ["esbuild"] as const;

/** Packages whose types are in another package, which the declarations of the built package need. */
const TYPES: Readonly<Record<string, string>> = { express: "@types/express" };

/**
 * Returns the names of the packages that the compiled modules and their declarations import, sorted, with the packages of
 * types that the declarations need.
 */
export function importedPackages(folder: string): readonly string[] {
  const found = new Set<string>();
  for (const file of globSync("**/*.{js,d.ts}", {
    cwd: folder,
    exclude: ["node_modules/**", "console/**"],
  })) {
    const text = readFileSync(path.join(folder, file), "utf8");
    for (const { fileName: target } of ts.preProcessFile(text).importedFiles) {
      const name = target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/");
      const isOther =
        !target.startsWith(".") && !target.startsWith("node:") && !builtinModules.includes(name);
      if (!isOther || NOT_USED.some((each) => each === name)) continue;
      found.add(name);
      const types = file.endsWith(".d.ts") ? TYPES[name] : undefined;
      if (types !== undefined) found.add(types);
    }
  }
  return [...found].sort();
}
