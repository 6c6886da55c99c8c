/** A shorter word is a prefix of too many candidates to count as an abbreviation. */
const MIN_PREFIX_LENGTH = 3;

/**
 * Returns the candidate that a mistyped word most probably meant, or `undefined` if none is similar. It is the shortest
 * candidate that begins with the word, or else the most similar one: with at most a third of the word's letters (and at least
 * one) inserted, deleted, changed or swapped. Case is ignored.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const all = [...candidates];
  return beginningWith(word, all) ?? similar(word, all);
}

/**
 * The end of a sentence about a mistyped `word`, from a semicolon to the full stop: what it probably meant, or else all
 * that there is.
 * @param write how a candidate is written; as it is by default.
 */
export function suggest(
  word: string,
  candidates: readonly string[],
  write: (candidate: string) => string = (candidate) => candidate,
): string {
  const meant = nearest(word, candidates);
  return meant === undefined
    ? `; there are ${candidates.map((candidate) => write(candidate)).join(", ")}.`
    : `; did you mean ${write(meant)}?`;
}

function beginningWith(word: string, candidates: readonly string[]): string | undefined {
  if (word.length < MIN_PREFIX_LENGTH) return undefined;
  const [shortest] = candidates
    .filter((candidate) => candidate.toLowerCase().startsWith(word.toLowerCase()))
    .toSorted((a, b) => a.length - b.length);
  return shortest;
}

function similar(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Optimal string alignment distance: insertions, deletions, changes, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + changed);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, at(beforePrevious, j - 2) + 1);
      }
      row.push(distance);
    }
    beforePrevious = previous;
    previous = row;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
