/** The command line. */
import { parseArgs } from "node:util";

export interface Options {
  /** `undefined` for all that have a file. */
  readonly stack: string | undefined;
  readonly help: boolean;
}

export const OPTIONS = {
  stack: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const HELP = `Holds the declared resources of the stacks against the rules of the policy pack (docs/policy.md),
without a cloud. Ends with 1 where something is found that no suppression lets stand, and
where a suppression lets nothing stand.

Usage: npm run policy -- [options]

  --stack NAME   stack whose Pulumi.NAME.yaml is read (all that there are, and the examples of docs/edges.md)
  -h, --help     this text
`;

/** @throws {Error} that says what is wrong with the first argument that is, and names the options. */
export function parseOptions(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    });
    const [word] = positionals;
    if (word !== undefined)
      throw new Error(`${JSON.stringify(word)} is not an option; did you mean --stack ${word}?`);
    return { stack: values.stack, help: values.help };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\nThere are --stack NAME and --help.`, { cause: error });
  }
}
