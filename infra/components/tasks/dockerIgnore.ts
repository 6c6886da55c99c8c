/**
 * The patterns of a .dockerignore file, with the rules of BuildKit.
 * @see https://docs.docker.com/build/concepts/context/#dockerignore-files
 * @see https://github.com/moby/patternmatcher
 */
import path from "node:path";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";

/** A pattern of a .dockerignore file. */
export interface IgnorePattern {
  /** Whether the pattern starts with `!`: it includes what earlier patterns exclude. */
  readonly isException: boolean;
  readonly expression: RegExp;
  /** Of each name in the pattern, between slashes; `undefined` if it can apply to several names of a path. */
  readonly names: readonly (RegExp | undefined)[];
}

/** Characters with a meaning in a regular expression and none in a pattern. */
const LITERAL = /^[.+()|{}$^]$/;

/**
 * Parses a .dockerignore file.
 * @param name name of the file, for the message of the error.
 * @throws {ExpectedError} if a line is no pattern.
 */
export function parseIgnoreFile(content: string, name: string): readonly IgnorePattern[] {
  return content
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#") && line.trim() !== "")
    .map((line) => parsePattern(line.trim(), name));
}

function parsePattern(line: string, name: string): IgnorePattern {
  const isException = line.startsWith("!");
  const written = isException ? line.slice(1).trim() : line;
  const text = path.posix
    .normalize(written)
    .replace(/(?<=.)\/$/, "")
    .replace(/^\/(?=.)/, "");
  const expression = written === "" ? undefined : compile(text);
  if (expression === undefined) {
    throw new ExpectedError(`\`${name}\`: got the line ${JSON.stringify(line)}; expected a pattern.`);
  }
  const names = text.split("/").map((name) => (name.includes("**") ? undefined : compile(name)));
  return { isException, expression, names };
}

/** Returns `undefined` for an invalid pattern. */
function compile(pattern: string): RegExp | undefined {
  const parts = pattern.match(/\*\*\/?|\\?[^]/g) ?? [];
  // BuildKit compares the end of the path with such a pattern, so `**.md` includes `folder/a.md`.
  const isSuffix = /^\*\*[^*?[\]\\/][^*?[\]\\]*$/.test(pattern);
  const source = parts.map((part, index) => {
    if (part.startsWith("**")) {
      const isLast = index === parts.length - 1;
      return isLast || isSuffix ? ".*" : "(?:.*/)?";
    }
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    const isNegation = part === "^" && parts[index - 1] === "[";
    return LITERAL.test(part) && !isNegation ? `\\${part}` : part;
  });
  try {
    return new RegExp(`^${source.join("")}$`);
  } catch {
    return undefined;
  }
}

/**
 * Returns whether each pattern applies to a file or folder.
 * @param file path in the build context, with `/` as separator.
 * @param inherited the result for the folder that contains it; empty for the build context itself.
 */
export function matchPatterns(
  patterns: readonly IgnorePattern[],
  file: string,
  inherited: readonly boolean[],
): readonly boolean[] {
  let isIgnored = false;
  return patterns.map(({ isException, expression }, index) => {
    // Without this condition an exception for a folder would include files that a later pattern in it excludes.
    const applies = inherited[index] === true || (isException === isIgnored && expression.test(file));
    if (applies) isIgnored = !isException;
    return applies;
  });
}

/** Returns whether the last pattern that applies excludes. */
export function isIgnored(patterns: readonly IgnorePattern[], applies: readonly boolean[]): boolean {
  return patterns.findLast((_, index) => applies[index])?.isException === false;
}

/**
 * Returns whether an exception can include a file in an excluded folder. Otherwise the folder is not read: it can be as large as
 * `node_modules`.
 */
export function hasExceptionIn(patterns: readonly IgnorePattern[], folder: string): boolean {
  return patterns.some(({ isException, names }) => isException && canApplyIn(folder.split("/"), names));
}

function canApplyIn(folder: readonly string[], names: IgnorePattern["names"]): boolean {
  for (const [depth, name] of folder.entries()) {
    if (depth >= names.length) return false;
    const expression = names[depth];
    if (expression === undefined) return true;
    // The last name of the pattern is that of a file in the folder.
    if (depth === names.length - 1 || !expression.test(name)) return false;
  }
  return true;
}
