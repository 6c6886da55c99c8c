/** A wrong value and its fix: one type for the environment, for stack files and for command lines. */

/** A wrong value and its fix. Its texts are parts of one sentence, without a full stop: {@link formatProblems}. */
export interface Problem {
  /** Where the value is set: a variable, a key of a stack file, an option. */
  readonly key: string;
  /** The value as {@link quoteValue} prints it, or what was found instead, such as "nothing". */
  readonly got: string;
  /** What the value may be, and the reason if there is one. */
  readonly expected: string;
  /** The changes that fix it, all of them together; empty if no change can be suggested. */
  readonly fix: readonly Change[];
  /** Other changes that fix it, if only the user can choose. */
  readonly alternative?: readonly Change[];
}

/** A change to a configuration. */
export type Change =
  | {
      readonly set: string;
      readonly to: string | readonly string[];
    }
  | {
      /** A key whose value only the user can choose. */
      readonly ask: string;
      /** @default "text" */
      readonly as?: "text" | "secret" | "list";
    }
  | {
      readonly remove: string;
      /** The value that the key has after its removal; none for an unknown key. */
      readonly default?: string;
    };

/** Replaces a secret in a message. */
export const HIDDEN = "[secret]";

/**
 * Prints problems, one line each: `` `key`: got X; expected Y. Fix: `command` ``.
 * @param describeFix returns the commands that fix a problem, in backticks; by default the lines end without a fix.
 */
export function formatProblems(
  problems: readonly Problem[],
  describeFix: (problem: Problem) => string = () => "",
): readonly string[] {
  return problems.map((problem) => {
    const fix = describeFix(problem);
    return `${describeProblem(problem)}.${fix === "" ? "" : ` Fix: ${fix}`}`;
  });
}

/** A problem without its fix and without a full stop. */
export function describeProblem({ key, got, expected }: Problem): string {
  return `\`${key}\`: got ${got}; expected ${expected}`;
}
