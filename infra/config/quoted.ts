/** What no POSIX shell takes for anything but itself, wherever in a command's arguments it stands. */
const PLAIN = /^[\w./:@%+=,-]+$/;

/** A word as it is written in a shell: in single quotes where it would not reach the command as it is. */
export function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
