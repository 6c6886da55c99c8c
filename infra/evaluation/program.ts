/**
 * Loads the program of a project, as the Node.js runtime of Pulumi does.
 * @see https://github.com/pulumi/pulumi/blob/master/sdk/nodejs/cmd/run/run.ts
 */
import { existsSync, realpathSync, statSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import { compileTypeScript } from "./commonJs.ts";
import { isModule, isRecord, readPackage } from "./packageFile.ts";

/** What Node loads for a folder, in the order of Pulumi. */
const ENTRIES = ["index.js", "index.mjs", "index.ts", "index.mts"] as const;
/** Errors of Node for a module that it does not find. */
const MISSING_MODULE = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];
/** Marks the modules of a program that is evaluated again in this process. */
const EVALUATION = "evaluation";
/** Parts of this package keep no state of an evaluation. Their classes must stay the same. */
const KEPT = ["infra", "app"].map((folder) => path.join(OWN_FOLDER, folder));

const require = createRequire(import.meta.url);
let evaluations = 0;
let hasHooks = false;

export interface ProgramLocation {
  /** Folder with Pulumi.yaml. */
  readonly root: string;
  /** `main` of Pulumi.yaml: a file or a folder. */
  readonly main: string | undefined;
}

/**
 * Imports the program, also if this process has imported it before, and returns its outputs: the named exports, or what the default
 * export is or returns.
 * @throws {ExpectedError} if the folder has no program, or a package is missing.
 */
export async function runProgram(location: ProgramLocation): Promise<unknown> {
  const file = entryOf(location);
  evaluations += 1;
  try {
    const exported = isModule(file)
      ? await importModule(location.root, file)
      : requireModule(location.root, file);
    return await (typeof exported === "function" ? (exported as () => unknown)() : exported);
  } catch (error) {
    if (error instanceof Error && "code" in error && MISSING_MODULE.includes(String(error.code))) {
      const [firstLine] = error.message.split("\n");
      throw new ExpectedError(`${firstLine ?? ""}. Fix: run \`npm install\` in ${location.root}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** The folder in which Pulumi runs the program. */
export function programFolder({ root, main }: ProgramLocation): string {
  const named = path.resolve(root, main ?? ".");
  return isFolder(named) ? named : path.dirname(named);
}

/** The file that Node loads. */
function entryOf({ root, main }: ProgramLocation): string {
  const named = path.resolve(root, main ?? packageEntry(root) ?? ".");
  const candidates = isFolder(named)
    ? ENTRIES.map((entry) => path.join(named, entry))
    : [named, `${named}.js`, `${named}.ts`];
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined) {
    throw new ExpectedError(
      `${main === undefined ? root : named}: got no program; expected ${ENTRIES.join(", ")}, or the file that \`main\` in Pulumi.yaml names.`,
    );
  }
  return realpathSync(file);
}

/** The entry point of package.json, which counts if Pulumi.yaml has no `main`. */
function packageEntry(root: string): string | undefined {
  const { exports, main } = readPackage(root) ?? {};
  const entry = isRecord(exports) ? exports["."] : exports;
  const file = isRecord(entry) ? (entry["default"] ?? entry["require"] ?? entry["import"]) : entry;
  return [file, exports === undefined ? main : undefined].find(
    (name): name is string => typeof name === "string" && existsSync(path.join(root, name)),
  );
}

async function importModule(root: string, file: string): Promise<unknown> {
  const url = pathToFileURL(file);
  if (evaluations > 1) {
    importProjectAnew(root);
    url.searchParams.set(EVALUATION, String(evaluations));
  }
  const module = (await import(url.href)) as Readonly<Record<string, unknown>>;
  if (!("default" in module)) return module;
  if (Object.keys(module).length > 1) {
    throw new ExpectedError(`${file}: got a default export and named exports; expected one of both.`);
  }
  return module["default"];
}

let projectRoot = "";

/** Node caches modules by their URL: a query makes Node run the modules of the project again. */
function importProjectAnew(root: string): void {
  projectRoot = realpathSync(root);
  if (hasHooks) return;
  hasHooks = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const evaluation = URL.parse(context.parentURL ?? "")?.searchParams.get(EVALUATION) ?? undefined;
      if (evaluation === undefined || !isOfProject(resolved.url)) return resolved;
      const url = new URL(resolved.url);
      url.searchParams.set(EVALUATION, evaluation);
      return { ...resolved, url: url.href };
    },
  });
}

function isOfProject(url: string): boolean {
  if (!url.startsWith("file:")) return false;
  const file = fileURLToPath(url);
  return isInside(projectRoot, file) && !isKept(file);
}

function isKept(file: string): boolean {
  return file.includes(`${path.sep}node_modules${path.sep}`) || KEPT.some((folder) => isInside(folder, file));
}

function requireModule(root: string, file: string): unknown {
  compileTypeScript(root);
  for (const cached of Object.keys(require.cache)) {
    if (isInside(realpathSync(root), cached) && !isKept(cached))
      Reflect.deleteProperty(require.cache, cached);
  }
  return require(file);
}

function isInside(folder: string, file: string): boolean {
  return file.startsWith(folder + path.sep);
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
