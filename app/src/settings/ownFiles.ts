/** The files of this project: in the repository, whose TypeScript Node runs, or in the npm package, which has JavaScript. */
import path from "node:path";

/** Whether this is the npm package. Node does not run TypeScript in node_modules. */
export const isPackaged = import.meta.filename.endsWith(".js");

/** Folder of the repository or of the npm package. Its folders have the same names in both. */
export const OWN_FOLDER = path.resolve(import.meta.dirname, "../../..");

/** Returns the path of a module, such as `local/main.ts`, as Node runs it. */
export function ownModule(source: `${string}.ts`): string {
  return path.join(OWN_FOLDER, isPackaged ? source.replace(/\.ts$/, ".js") : source);
}

/** Folder of the Pulumi project whose stacks a command reads. */
export const PROJECT_FOLDER = isPackaged ? process.cwd() : OWN_FOLDER;
