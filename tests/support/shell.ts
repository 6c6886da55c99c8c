/** Splits text into words with a real shell. */
import { execFileSync } from "node:child_process";

/** Returns the arguments of each command `name` that a POSIX shell runs for a line. */
export function commandsOf(name: string, line: string): readonly (readonly string[])[] {
  const script = `${name}() { printf '%s\\0' "$#" "$@"; }\n${line}`;
  const words = execFileSync("sh", ["-eu", "-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
  const commands: (readonly string[])[] = [];
  while (words.length > 0) {
    const count = Number(words.shift());
    commands.push(words.splice(0, count));
  }
  return commands;
}

/** Returns the words of a text after the expansions of a POSIX shell. */
export function wordsOf(text: string): readonly string[] {
  const [words = []] = commandsOf("words", `words ${text}`);
  return words;
}
