/** The command line of the load test: each option once, with its unit, range and default. */
import { nearest } from "../app/src/settings/nearest.ts";
import { HIDDEN, type Problem } from "../app/src/settings/problem.ts";
import { commandOf, commandWithArguments } from "../cli/commandNames.ts";
import {
  describeOptions,
  expectedName,
  type OptionDefinition,
  type OptionDefinitions,
  parseCommandLine,
  parseWholeNumber,
  problem,
  problemWithValue,
  UsageError,
} from "../cli/options.ts";

import { areValidNames, CHANNEL_NAME_RULE, DEFAULT_CHANNEL } from "./channels.ts";

const MIN = 1;

/** A JSON Web Token: RFC 7515, section 3.1. */
const TOKEN = /^[\w-]+(?:\.[\w-]*){2}$/;

/** An option whose value is a whole number from {@link MIN}. */
interface NumberOption {
  /** Without a full stop. */
  readonly description: string;
  readonly default: number;
  readonly max: number;
  readonly unit: string;
}

type NumberOptions = Readonly<Record<string, NumberOption>>;

/** Limit of every run, whatever its rate and duration. */
const MAX_TOTAL = 10_000_000;

const COMMON = {
  duration: number("Duration of the run in seconds", 30, 3600, "seconds"),
  timeout: number("Limit of opening a connection, and of the last delivery, in seconds", 10, 120, "seconds"),
  channels: number("Channels of all connections together", 1, 20_000, "channels"),
  subscriptions: number("Channels of each connection", 1, 10_000, "channels"),
} as const;

const CHURN = {
  rate: number("New connections a second", 20, 5000, "connections a second"),
  concurrency: number("Maximum open connections", 50, 10_000, "connections"),
  total: number("Maximum connections in all", MAX_TOTAL, MAX_TOTAL, "connections"),
} as const;

const SUSTAINED = {
  // A client address has about 28,000 ephemeral ports (Linux's default range) for one server address.
  connections: number("Open connections", 10, 20_000, "connections"),
  rate: number("Messages a second of all connections together", 10, 100_000, "messages a second"),
  total: number("Maximum messages in all", MAX_TOTAL, MAX_TOTAL, "messages"),
} as const;

const MODES = {
  churn: "opens connections, and closes each when it is subscribed",
  sustained:
    "holds connections open, and sends messages over them in turn, each to the next channel of its connection",
} as const;

export type Mode = keyof typeof MODES;

const DEFAULT_MODE = "churn" as const satisfies Mode;

const MODE_NAMES = Object.keys(MODES);

const GENERAL = {
  mode: {
    type: "string",
    value: "MODE",
    default: DEFAULT_MODE,
    description: `Mode: ${MODE_NAMES.join(" or ")}`,
  },
  channel: {
    type: "string",
    value: "NAME",
    default: DEFAULT_CHANNEL,
    description: "Name of the channel; with several channels, they are NAME.1, NAME.2 and so on",
  },
  token: {
    type: "string",
    value: "TOKEN",
    description: `Token of every connection, such as one of ${commandOf("token")};\nbetter in the environment variable TOKEN, which other users cannot read`,
  },
  insecure: { type: "boolean", description: "Accept any certificate (always for loopback hosts)" },
  json: { type: "boolean", description: "Print one JSON document instead of tables" },
  record: {
    type: "string",
    value: "FILE",
    description: `Write the load of each minute to a CSV file for ${commandOf("simulate")}`,
  },
  help: { type: "boolean", description: "Print this text" },
} as const satisfies OptionDefinitions;

export const OPTIONS = {
  ...definitionsOf({ ...COMMON, ...CHURN, ...SUSTAINED }),
  ...GENERAL,
};

export const HELP = `Usage: ${commandWithArguments("load-test")} wss://HOST/wss [options]

${describeOptions({ ...GENERAL, ...definitionsOf(COMMON) })}

--mode churn ${MODES.churn}
${describeOptions(definitionsOf(CHURN))}

--mode sustained ${MODES.sustained}
${describeOptions(definitionsOf(SUSTAINED))}

Exit codes: 0 nothing failed, 1 something failed, 2 the command line is wrong.
`;

type ValuesOf<Definitions extends NumberOptions> = { readonly [Name in keyof Definitions]: number };

export interface CommonOptions extends ValuesOf<typeof COMMON> {
  readonly url: URL;
  /** Name of the channel, or of all of them together with a number. */
  readonly channel: string;
  /** Sent by every connection; `undefined`: none. */
  readonly token: string | undefined;
  readonly insecure: boolean;
  readonly json: boolean;
  /** CSV file for the load of each minute. */
  readonly record: string | undefined;
}

/** See {@link CHURN} for units, ranges and defaults. */
export interface ChurnOptions extends CommonOptions, ValuesOf<typeof CHURN> {
  readonly mode: "churn";
}

/** See {@link SUSTAINED} for units, ranges and defaults. */
export interface SustainedOptions extends CommonOptions, ValuesOf<typeof SUSTAINED> {
  readonly mode: "sustained";
}

export type LoadTestOptions = ChurnOptions | SustainedOptions;

/**
 * Parses the arguments, which start after the name of the command's file.
 * @param environment may have the token in `TOKEN`.
 * @returns `undefined` for --help.
 * @throws {UsageError} with all wrong options, or else with all wrong values and the problem of the URL.
 */
export function parseOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): LoadTestOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, given, positionals } = commandLine;
  const byName: Readonly<Record<string, unknown>> = values;

  const problems: Problem[] = [];
  const read = <D extends NumberOptions>(definitions: D): ValuesOf<D> => {
    const numbers = Object.entries(definitions).map(([name, definition]) => {
      // The table's default is that of one mode.
      const text = given.has(name) ? String(byName[name]) : String(definition.default);
      return [name, parseWholeNumber(name, text, { min: MIN, ...definition }, problems)] as const;
    });
    return Object.fromEntries(numbers) as ValuesOf<D>; // Object.fromEntries loses the keys.
  };
  const mode = parseMode(values.mode, problems);
  const common = {
    ...read(COMMON),
    channel: values.channel,
    token: parseToken(values.token ?? environment["TOKEN"], problems),
    insecure: values.insecure,
    json: values.json,
    record: values.record,
  };
  checkChannels(common, problems);
  const own = mode === "sustained" ? { mode, ...read(SUSTAINED) } : { mode: DEFAULT_MODE, ...read(CHURN) };
  if (mode !== undefined) {
    for (const name of given) {
      if (!(name in GENERAL) && !(name in common) && !(name in own))
        problems.push(problemWithValue(name, "an option of another mode", `an option of --mode ${mode}`));
    }
  }
  const url = parseUrl(positionals, problems);

  if (url === undefined || problems.length > 0) throw new UsageError(problems);
  return { ...common, ...own, url };
}

function checkChannels(
  { channel, channels, subscriptions }: Pick<CommonOptions, "channel" | "channels" | "subscriptions">,
  problems: Problem[],
): void {
  if (!areValidNames(channel, channels)) {
    problems.push(problemWithValue("channel", JSON.stringify(channel), CHANNEL_NAME_RULE));
  }
  if (subscriptions > channels) {
    problems.push(
      problemWithValue(
        "subscriptions",
        String(subscriptions),
        `at most the number of --channels, ${channels}`,
      ),
    );
  }
}

function number(description: string, standard: number, max: number, unit: string): NumberOption {
  return { description, default: standard, max, unit };
}

function definitionsOf(numbers: NumberOptions): OptionDefinitions {
  return Object.fromEntries(
    Object.entries(numbers).map(([name, { description, default: standard, max }]) => [
      name,
      {
        type: "string",
        value: "N",
        default: String(standard),
        description: `${description}, ${MIN} to ${max}`,
      } satisfies OptionDefinition,
    ]),
  );
}

function parseMode(text: string, problems: Problem[]): Mode | undefined {
  if (text === "churn" || text === "sustained") return text;
  problems.push(problemWithValue("mode", JSON.stringify(text), expectedName("mode", text, MODE_NAMES)));
  return undefined;
}

/** A problem does not contain the token. */
function parseToken(text: string | undefined, problems: Problem[]): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!TOKEN.test(text)) {
    problems.push(
      problemWithValue("token", HIDDEN, "a token of letters, digits, '-', '_' and '.', also in TOKEN"),
    );
  }
  return text;
}

function parseUrl(positionals: readonly string[], problems: Problem[]): URL | undefined {
  const [text, ...rest] = positionals;
  const report = (got: string, expected: string): void => {
    problems.push(problem("URL", got, expected));
  };
  if (text === undefined) {
    report("nothing", "a WebSocket URL, such as wss://localhost:8443/wss for the local stack");
    return undefined;
  }
  if (rest.length > 0) report(`${positionals.length} of them`, "one");

  const [, scheme = "", address = text] = /^([^:/]*):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme !== "ws" && scheme !== "wss") {
    const meant = scheme === "http" ? "ws" : (nearest(scheme, ["ws", "wss"]) ?? "wss");
    report(JSON.stringify(text), `a WebSocket URL (did you mean ${meant}://${address}?)`);
    return undefined;
  }
  const url = URL.parse(text);
  if (url === null) report(JSON.stringify(text), "a URL");
  // RFC 6455, section 3.
  if (text.includes("#")) report(JSON.stringify(text), "a URL without a fragment (#)");
  return url ?? undefined;
}
