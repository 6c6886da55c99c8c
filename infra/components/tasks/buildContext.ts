/** The files from which an image is built, as BuildKit reads them. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import path from "node:path";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { hasExceptionIn, isIgnored, matchPatterns, parseIgnoreFile } from "./dockerIgnore.ts";
import type { IgnorePattern } from "./dockerIgnore.ts";

/** Hexadecimal digits of a hash: 80 bits, which makes a collision of two image tags negligible. */
const DIGITS = 20;

const PERMISSION_BITS = 0o777;

/** The files are read in each preview, so a context with installed packages or data is refused. */
const MAX_FILES = 20_000;
const MAX_MIB = 500;

export interface BuildContext {
  /** Folder with the files. */
  readonly folder: string;
  /** Path of the Dockerfile in the folder. */
  readonly dockerfile: string;
}

/**
 * Returns a hash of the paths, contents and permissions of a build context. The order in which the file system lists the files
 * has no effect.
 * @param salt other input of the hash, such as the target platform.
 * @throws {ExpectedError} if the context is missing or too large.
 */
export function hashBuildContext(context: BuildContext, salt: string): string {
  const hash = createHash("sha256").update(salt);
  for (const file of listBuildContext(context)) {
    const { mode, content } = readContent(path.join(context.folder, file));
    const permissions = (mode & PERMISSION_BITS).toString(8);
    hash.update(`\0${file}\0${permissions}\0${createHash("sha256").update(content).digest("hex")}`);
  }
  return hash.digest("hex").slice(0, DIGITS);
}

/** A builder copies a link and not its target, but the provider compares the target too. */
function readContent(file: string): { readonly mode: number; readonly content: string | Buffer } {
  const entry = lstatSync(file);
  if (!entry.isSymbolicLink()) return { mode: entry.mode, content: readFileSync(file) };
  const target = statSync(file, { throwIfNoEntry: false });
  const content = target?.isFile() === true ? readFileSync(file, "base64") : "";
  return { mode: entry.mode, content: `${readlinkSync(file)}\0${content}` };
}

/**
 * Returns the sorted paths of the files in a build context: those that the ignore file does not exclude, the ignore file and the
 * Dockerfile. The list includes everything that the builder reads. Otherwise changed content would get an existing tag.
 * @throws {ExpectedError} if the folder or the Dockerfile is missing, or if the context is too large.
 */
export function listBuildContext({ folder, dockerfile }: BuildContext): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new ExpectedError(
      `The build context ${folder} is no folder. The path is relative to ${process.cwd()}.`,
    );
  }
  if (!existsSync(path.join(folder, dockerfile))) {
    throw new ExpectedError(`The build context ${folder} has no file ${dockerfile}.`);
  }
  // A file with the name of the Dockerfile takes precedence.
  const ignoreFile = [`${dockerfile}.dockerignore`, ".dockerignore"].find((name) =>
    existsSync(path.join(folder, name)),
  );
  const patterns =
    ignoreFile === undefined
      ? []
      : parseIgnoreFile(readFileSync(path.join(folder, ignoreFile), "utf8"), path.join(folder, ignoreFile));

  const files = new Set([path.posix.normalize(dockerfile)]);
  if (ignoreFile !== undefined) files.add(path.posix.normalize(ignoreFile));
  let bytes = 0;
  for (const { file, stats } of walk(folder, patterns)) {
    files.add(file);
    bytes += stats.size;
    if (files.size > MAX_FILES || bytes > MAX_MIB * MIB) {
      throw new ExpectedError(
        `The build context ${folder} has more than ${MAX_FILES} files or ${MAX_MIB} MiB. ` +
          "Exclude folders such as node_modules in its .dockerignore.",
      );
    }
  }
  return [...files].sort(compareCodeUnits);
}

interface Entry {
  /** Path in the build context, with `/` as separator. */
  readonly file: string;
  readonly stats: Stats;
}

function* walk(
  root: string,
  patterns: readonly IgnorePattern[],
  folder = "",
  inherited: readonly boolean[] = [],
): Generator<Entry> {
  for (const name of readdirSync(path.join(root, folder))) {
    const file = folder === "" ? name : `${folder}/${name}`;
    const stats = lstatSync(path.join(root, file));
    const applies = matchPatterns(patterns, file, inherited);
    const isExcluded = isIgnored(patterns, applies);
    if (stats.isDirectory()) {
      if (!isExcluded || hasExceptionIn(patterns, file)) yield* walk(root, patterns, file, applies);
    } else if (!isExcluded && (stats.isFile() || stats.isSymbolicLink())) {
      yield { file, stats };
    }
  }
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
