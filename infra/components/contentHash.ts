import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** Hexadecimal digits of a hash that are kept: 80 bits, enough that two images never share a tag by chance. */
const DIGITS = 20;

const PERMISSION_BITS = 0o777;

/**
 * A hash of files: their paths, contents and permissions. It is the same on every machine, whatever the order in which a
 * file system lists them.
 * @param root folder that the entries are relative to.
 * @param entries files, and folders of which everything counts.
 * @param salt whatever else makes the result another one, such as the platform that is built for.
 * @throws {Error} where an entry does not exist.
 */
export function contentHash(root: string, entries: readonly string[], salt = ""): string {
  const hash = createHash("sha256").update(salt);
  for (const file of entries.flatMap((entry) => filesOf(root, entry)).sort(byCodeUnit)) {
    const full = path.join(root, file);
    const permissions = (statSync(full).mode & PERMISSION_BITS).toString(8);
    const content = createHash("sha256").update(readFileSync(full)).digest("hex");
    hash.update(`\0${file}\0${permissions}\0${content}`);
  }
  return hash.digest("hex").slice(0, DIGITS);
}

function filesOf(root: string, entry: string): readonly string[] {
  if (statSync(path.join(root, entry)).isFile()) return [entry];
  return readdirSync(path.join(root, entry)).flatMap((name) => filesOf(root, `${entry}/${name}`));
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
