import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** Hexadecimal digits of the result: 80 bits, which makes a collision of two image tags negligible. */
const DIGITS = 20;

const PERMISSION_BITS = 0o777;

/**
 * Returns a hash of the paths, contents and permissions of files. The order in which the file system lists them has no effect.
 * @param root folder that the entries are relative to.
 * @param entries files and folders; a folder includes all files below it.
 * @param salt other input of the hash, such as the target platform.
 * @throws {Error} if an entry does not exist.
 */
export function hashContent(root: string, entries: readonly string[], salt = ""): string {
  const hash = createHash("sha256").update(salt);
  for (const file of entries.flatMap((entry) => listFiles(root, entry)).sort(compareCodeUnits)) {
    const full = path.join(root, file);
    const permissions = (statSync(full).mode & PERMISSION_BITS).toString(8);
    const content = createHash("sha256").update(readFileSync(full)).digest("hex");
    hash.update(`\0${file}\0${permissions}\0${content}`);
  }
  return hash.digest("hex").slice(0, DIGITS);
}

function listFiles(root: string, entry: string): readonly string[] {
  if (statSync(path.join(root, entry)).isFile()) return [entry];
  return readdirSync(path.join(root, entry)).flatMap((name) => listFiles(root, `${entry}/${name}`));
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
