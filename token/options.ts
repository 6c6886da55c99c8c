/** The command line of `npm run token`. */
import { isChannelPattern } from "../app/src/settings/channelPattern.ts";
import { quoteValue } from "../app/src/settings/definition.ts";
import type { Problem } from "../app/src/settings/problem.ts";
import { commandForOutput, commandWithArguments } from "../cli/commandNames.ts";
import {
  assertNoProblems,
  describeOptions,
  problemWithArgument,
  type OptionDefinitions,
  parseCommandLine,
  parsePair,
  problemWithValue,
} from "../cli/options.ts";

export interface TokenOptions {
  /** The subject; `undefined`: none. */
  readonly user: string | undefined;
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
  /** Further claims. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly lifetimeSeconds: number;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const MAX_LIFETIME_SECONDS = 365 * 86_400;

/** Claims that other options set, or that are always the same. */
const RESERVED_CLAIMS: readonly string[] = ["iss", "aud", "sub", "iat", "exp", "subscribe", "publish"];

export const OPTIONS = {
  user: { type: "string", value: "NAME", description: "The user, which is the claim sub (default none)" },
  subscribe: {
    type: "string",
    multiple: true,
    value: "CHANNELS",
    description:
      "Channels that the token may read: a name, / for the default channel,\nor a prefix that ends with *; can be repeated",
  },
  publish: {
    type: "string",
    multiple: true,
    value: "CHANNELS",
    description: "Channels that the token may publish to, in the same form; can be repeated",
  },
  claim: {
    type: "string",
    multiple: true,
    value: "NAME=VALUE",
    description: "A further claim; the value is JSON, or else a text; can be repeated",
  },
  expires: {
    type: "string",
    value: "TIME",
    default: "1h",
    description: "Time until the token expires, such as 30s, 15m, 1h or 7d",
  },
  help: { type: "boolean", short: "h", description: "Print this help" },
} as const satisfies OptionDefinitions;

export const HELP = `Prints a token for a local stack that runs with \`${commandWithArguments("start")} --tokens\` (docs/identity.md).
No deployed stack accepts it.

Usage: ${commandWithArguments("token")} [options]

${describeOptions(OPTIONS)}

In a shell:
  TOKEN=$(${commandForOutput("token")} --user alice --subscribe 'room.*' --publish 'room.*')
  npx wscat -n -H "Authorization: Bearer $TOKEN" -c wss://localhost:8443/wss/room.7
`;

/**
 * @returns `undefined` if the arguments contain `--help`.
 * @throws {UsageError} that lists every option that is wrong, or else every wrong value, each with what is expected.
 */
export function parseOptions(args: readonly string[]): TokenOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, positionals } = commandLine;
  const problems = positionals.map((argument) => problemWithArgument(argument, OPTIONS));
  const options: TokenOptions = {
    user: values.user,
    subscribe: checkPatterns("subscribe", values.subscribe, problems),
    publish: checkPatterns("publish", values.publish, problems),
    claims: Object.fromEntries(values.claim.map((text) => parseClaim(text, problems))),
    lifetimeSeconds: parseLifetime(values.expires, problems),
  };
  assertNoProblems(problems);
  return options;
}

function checkPatterns(
  name: "subscribe" | "publish",
  patterns: readonly string[],
  problems: Problem[],
): readonly string[] {
  for (const pattern of patterns) {
    if (isChannelPattern(pattern)) continue;
    problems.push(
      problemWithValue(
        name,
        quoteValue(pattern),
        "1 to 64 letters, digits, '.', '_', '~' or '-', or a prefix of them that ends with *, or /",
      ),
    );
  }
  return patterns;
}

function parseClaim(text: string, problems: Problem[]): readonly [string, unknown] {
  const [name, value] = parsePair("claim", text, problems);
  if (RESERVED_CLAIMS.includes(name)) {
    const expected = `another claim than ${RESERVED_CLAIMS.join(", ")}`;
    problems.push(problemWithValue("claim", quoteValue(text), expected));
  }
  try {
    return [name, JSON.parse(value) as unknown];
  } catch {
    return [name, value];
  }
}

function parseLifetime(text: string, problems: Problem[]): number {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (SECONDS[unit] ?? NaN);
  if (seconds >= 1 && seconds <= MAX_LIFETIME_SECONDS) return seconds;
  problems.push(problemWithValue("expires", quoteValue(text), "a time from 1s to 365d, such as 15m or 1h"));
  return NaN;
}
