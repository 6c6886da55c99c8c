/** The parts of package.json that decide how Node loads a file. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** Whether Node loads a file as an ECMAScript module, by its name or by `type` in the nearest package.json. */
export function isModule(file: string): boolean {
  if (/\.m[jt]s$/.test(file)) return true;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const found = readPackage(folder);
    if (found !== undefined) return found["type"] === "module";
    if (folder === path.dirname(folder)) return false;
  }
}

/** Returns the content of a folder's package.json, if there is one. */
export function readPackage(folder: string): Readonly<Record<string, unknown>> | undefined {
  const file = path.join(folder, "package.json");
  const content: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  return isRecord(content) ? content : undefined;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
