/** TypeScript in projects without `"type": "module"`, which Pulumi compiles to CommonJS before Node runs it. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { isModule } from "./packageFile.ts";

/** The part of the compiler that is used. */
interface Compiler {
  readonly sys: { readonly readFile: (file: string) => string | undefined };
  readConfigFile(
    file: string,
    read: (file: string) => string | undefined,
  ): { readonly config?: { readonly compilerOptions?: Readonly<Record<string, unknown>> } };
  transpileModule(
    source: string,
    options: { readonly fileName: string; readonly compilerOptions: Readonly<Record<string, unknown>> },
  ): { readonly outputText: string };
}

/** A member of modules that the types of Node omit. */
interface CompilableModule {
  _compile(source: string, file: string): void;
}

const require = createRequire(import.meta.url);
// eslint-disable-next-line @typescript-eslint/no-deprecated -- Pulumi compiles programs in this way, too.
const extensions = require.extensions;

/** Overrides the options of a project. Types are not checked. */
const OPTIONS = {
  module: "CommonJS",
  moduleResolution: "node10",
  inlineSourceMap: true,
  inlineSources: true,
  sourceMap: false,
  declaration: false,
  noEmit: false,
} as const;

/**
 * From now on, `require` compiles TypeScript files with the compiler of the project, or else with that of Pulumi, unless Node loads
 * them as ECMAScript modules.
 * @see https://www.pulumi.com/docs/iac/languages-sdks/javascript/#typescript
 */
export function compileTypeScript(root: string): void {
  const compiler = findCompiler(root);
  const file = path.join(root, "tsconfig.json");
  const { config } = existsSync(file) ? compiler.readConfigFile(file, compiler.sys.readFile) : {};
  const compilerOptions = { target: "ES2022", ...config?.compilerOptions, ...OPTIONS };
  process.setSourceMapsEnabled(true);
  // Node loads files with unregistered extensions in the same way as those with `.js`.
  const loadByNode = extensions[".js"];
  extensions[".ts"] = (module, fileName) => {
    if (typeof process.features.typescript === "string" && isModule(fileName)) {
      loadByNode(module, fileName);
      return;
    }
    const { outputText } = compiler.transpileModule(readFileSync(fileName, "utf8"), {
      fileName,
      compilerOptions,
    });
    (module as unknown as CompilableModule)._compile(outputText, fileName);
  };
}

function findCompiler(root: string): Compiler {
  const ofProject = createRequire(path.join(root, "index.ts"));
  try {
    return ofProject("typescript") as Compiler;
  } catch {
    return require("@pulumi/pulumi/typescript-shim") as Compiler;
  }
}
