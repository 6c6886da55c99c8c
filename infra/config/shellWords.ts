/** Characters without a meaning in any POSIX shell. */
const PLAIN = /^[\w./:@%+=,-]+$/;

/** Quotes a word for a POSIX shell, in single quotes if that is necessary. */
export function quoteForShell(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
