/** Compiles the modules that the npm package exports or runs, and everything that they import, to JavaScript with type declarations. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { COMMAND, EXPORTS } from "./entries.ts";

/** Modules that the package starts by their path, and the policy pack and the provider, which the CLI starts. */
const STARTED = [
  "local/control/brokenVersion.ts",
  "local/runtime/tasks/taskPreload.ts",
  "local/watch/evaluationProcess.ts",
  "policy/pack.ts",
  "provider/main.ts",
];

/** What Pulumi and the oldest supported Node run. */
const TARGET = ts.ScriptTarget.ES2022;

/** Relative imports and exports of a declaration file. */
const RELATIVE_IMPORT = /(?<before>(?:\bfrom |\bimport |\bimport\()")(?<target>\.{1,2}\/[^"]+)\.ts(?=")/g;

/** @throws {Error} if a module cannot be compiled. */
export function compile(root: string, folder: string): void {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as {
    readonly config: { readonly compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram({
    rootNames: [...Object.values(EXPORTS), COMMAND, ...STARTED].map((file) => path.join(root, file)),
    options: {
      ...options,
      target: TARGET,
      rootDir: root,
      outDir: folder,
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      // `npm run typecheck` checks the types.
      noCheck: true,
    },
  });
  const declarations: string[] = [];
  const { diagnostics } = program.emit(undefined, (file, text) => {
    if (!file.endsWith(".d.ts")) {
      ts.sys.writeFile(file, text);
      return;
    }
    declarations.push(file);
    // Compilers before 5.0 reject imports that end with .ts.
    ts.sys.writeFile(file, text.replaceAll(RELATIVE_IMPORT, "$<before>$<target>.js"));
  });
  if (diagnostics.length > 0) {
    throw new Error(
      ts.formatDiagnostics(diagnostics, {
        getCanonicalFileName: (file) => file,
        getCurrentDirectory: () => root,
        getNewLine: () => "\n",
      }),
    );
  }
  const used = reachable(Object.values(EXPORTS).map((file) => path.join(folder, declarationOf(file))));
  for (const file of declarations) if (!used.has(file)) rmSync(file);
}

/** Returns the path of the declaration file of a module. */
export function declarationOf(source: string): string {
  return source.replace(/\.[jt]s$/, ".d.ts");
}

/** Returns the declaration files that these files import, and these files. */
function reachable(files: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [...files];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, target = ""] of text.matchAll(/"(\.{1,2}\/[^"]+\.js)"/g)) {
      pending.push(declarationOf(path.resolve(path.dirname(file), target)));
    }
  }
  return found;
}
