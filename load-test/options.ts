/** The command line of the load test: each option once, with its unit, range and default. */
import { parseArgs } from "node:util";

import { nearest, suggest } from "../app/src/settings/nearest.ts";
import { problemsOf, refuse, UsageError } from "../cli/options.ts";
import type { OptionTypes } from "../cli/options.ts";

interface NumberOption {
  /** One sentence for people, without a full stop. */
  readonly description: string;
  readonly unit: string;
  readonly default: number;
  /** Smallest legal value, inclusive. */
  readonly min: number;
  /** Largest legal value, inclusive. */
  readonly max: number;
}

type NumberOptions = Readonly<Record<string, NumberOption>>;

/** No run opens or sends more than this, whatever its rate and duration. */
const MAX_TOTAL = 10_000_000;

const COMMON = {
  duration: { description: "How long to keep it up", unit: "seconds", default: 30, min: 1, max: 3600 },
  timeout: {
    description: "How long a connection may take to be greeted, and the last delivery to arrive",
    unit: "seconds",
    default: 10,
    min: 1,
    max: 120,
  },
} as const satisfies NumberOptions;

const CHURN = {
  rate: { description: "Connections opened", unit: "a second", default: 20, min: 1, max: 5000 },
  concurrency: {
    description: "Most connections open at the same time",
    unit: "connections",
    default: 50,
    min: 1,
    max: 10_000,
  },
  total: {
    description: "Most connections opened in all",
    unit: "connections",
    default: MAX_TOTAL,
    min: 1,
    max: MAX_TOTAL,
  },
} as const satisfies NumberOptions;

const SUSTAINED = {
  connections: {
    description: "Connections held open",
    unit: "connections",
    default: 10,
    min: 1,
    // One client address has about 28,000 ephemeral ports (Linux's default range) towards one server address.
    max: 20_000,
  },
  rate: {
    description: "Messages sent by all connections together",
    unit: "a second",
    default: 10,
    min: 1,
    max: 100_000,
  },
  total: {
    description: "Most messages sent in all",
    unit: "messages",
    default: MAX_TOTAL,
    min: 1,
    max: MAX_TOTAL,
  },
} as const satisfies NumberOptions;

const MODES = {
  churn: "opens connections and closes them as soon as they are greeted",
  sustained: "holds connections open and sends messages over them in turn",
} as const;

const FLAGS = {
  insecure: "Accept any certificate (loopback hosts: always)",
  json: "Print one JSON document instead of tables",
  help: "Print this",
} as const;

export const OPTIONS: OptionTypes = {
  ...typed("string", { mode: MODES, ...COMMON, ...CHURN, ...SUSTAINED }),
  ...typed("boolean", FLAGS),
};

export type Mode = keyof typeof MODES;

const DEFAULT_MODE = "churn" as const satisfies Mode;

type ValuesOf<Definitions extends NumberOptions> = { readonly [Name in keyof Definitions]: number };

interface CommonOptions extends ValuesOf<typeof COMMON> {
  readonly url: URL;
  readonly insecure: boolean;
  readonly json: boolean;
}

/** See {@link CHURN} for units, ranges and defaults. */
export interface ChurnOptions extends CommonOptions, ValuesOf<typeof CHURN> {
  readonly mode: "churn";
}

/** See {@link SUSTAINED} for units, ranges and defaults. */
export interface SustainedOptions extends CommonOptions, ValuesOf<typeof SUSTAINED> {
  readonly mode: "sustained";
}

export type Options = ChurnOptions | SustainedOptions;

/**
 * Reads a command line, given without the program's own name. `--help` asks for {@link usage} instead.
 * @throws {UsageError} listing every option that is wrong (with the nearest known one), or else every illegal value, and
 * what is wrong with the URL.
 */
export function parseOptions(args: readonly string[]): Options | "help" {
  // Not strict: problems are collected, and told in this project's words.
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    tokens: true,
  });
  if (values["help"] === true) return "help";
  refuse(problemsOf(tokens, OPTIONS));

  const problems: string[] = [];
  const mode = values["mode"] === undefined ? DEFAULT_MODE : readMode(String(values["mode"]), problems);
  const read = <D extends NumberOptions>(definitions: D) => readNumbers(definitions, values, problems);
  const common = { ...read(COMMON), insecure: values["insecure"] === true, json: values["json"] === true };
  const own = mode === "sustained" ? { mode, ...read(SUSTAINED) } : { mode: DEFAULT_MODE, ...read(CHURN) };
  if (mode !== undefined) {
    for (const name of Object.keys(values)) {
      if (isNumberOption(name) && !(name in common) && !(name in own)) {
        problems.push(`--${name} is not an option of --mode ${mode}.`);
      }
    }
  }
  const url = readUrl(positionals, problems);

  if (url === undefined || problems.length > 0) throw new UsageError(problems);
  return { ...common, ...own, url };
}

/** What the command line may say, for people. */
export function usage(): string {
  return [
    "Usage: npm run load-test -- wss://HOST/wss [options]",
    "",
    line("--mode MODE", `${Object.keys(MODES).join(" or ")} (default ${DEFAULT_MODE})`),
    ...describe(COMMON),
    ...Object.entries(FLAGS).map(([name, description]) => line(`--${name}`, description)),
    "",
    `--mode churn ${MODES.churn}`,
    ...describe(CHURN),
    "",
    `--mode sustained ${MODES.sustained}`,
    ...describe(SUSTAINED),
    "",
    "Ends with 0 when nothing failed, 1 when something did, 2 when the command line is wrong.",
    "",
  ].join("\n");
}

function typed(type: "string" | "boolean", named: object): OptionTypes {
  return Object.fromEntries(Object.keys(named).map((name) => [name, { type }]));
}

function readMode(text: string, problems: string[]): Mode | undefined {
  if (text === "churn" || text === "sustained") return text;
  problems.push(`--mode is ${JSON.stringify(text)}${suggest(text, Object.keys(MODES))}`);
  return undefined;
}

function readNumbers<D extends NumberOptions>(
  definitions: D,
  values: Readonly<Record<string, string | boolean | undefined>>,
  problems: string[],
): ValuesOf<D> {
  const numbers = Object.entries(definitions).map(([name, { default: fallback, unit, min, max }]) => {
    if (values[name] === undefined) return [name, fallback] as const;
    const text = String(values[name]);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      problems.push(
        `--${name} is ${JSON.stringify(text)}, and must be a whole number from ${min} to ${max} (${unit}).`,
      );
    }
    return [name, value] as const;
  });
  // Object.fromEntries forgets that the keys are those of the definitions.
  return Object.fromEntries(numbers) as ValuesOf<D>;
}

function readUrl(positionals: readonly string[], problems: string[]): URL | undefined {
  const [text, ...rest] = positionals;
  if (text === undefined) {
    problems.push("The URL is missing; for example wss://localhost:8443/wss for the local stack.");
    return undefined;
  }
  if (rest.length > 0) problems.push(`One URL is expected; what is ${JSON.stringify(rest[0])}?`);

  const [, scheme = "", address = text] = /^([^:/]*):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme !== "ws" && scheme !== "wss") {
    const meant = scheme === "http" ? "ws" : (nearest(scheme, ["ws", "wss"]) ?? "wss");
    problems.push(
      `${JSON.stringify(text)} is not the URL of a WebSocket; did you mean ${meant}://${address}?`,
    );
    return undefined;
  }
  const url = URL.parse(text);
  if (url === null) problems.push(`${JSON.stringify(text)} is not a URL.`);
  if (text.includes("#")) {
    // RFC 6455, section 3.
    problems.push(`${JSON.stringify(text)} has a fragment (#), which the URL of a WebSocket may not.`);
  }
  return url ?? undefined;
}

function isNumberOption(name: string): boolean {
  return [COMMON, CHURN, SUSTAINED].some((definitions) => Object.hasOwn(definitions, name));
}

function describe(definitions: NumberOptions): string[] {
  return Object.entries(definitions).map(([name, { description, unit, default: fallback, max }]) =>
    line(`--${name} N`, `${description} (${unit}; default ${fallback}, at most ${max})`),
  );
}

function line(option: string, description: string): string {
  return `  ${option.padEnd("--concurrency N".length)}  ${description}`;
}
