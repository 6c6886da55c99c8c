/** Options that npm consumed because no `--` precedes them, as in `npm run deploy preview dev --refresh`. */
import { readFileSync } from "node:fs";
import { commandWithArguments } from "./commandNames.ts";
import { dashed, problem, type OptionTypes, UsageError } from "./options.ts";

/** The part of a process that is read here. */
export interface NpmProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The settings that npm makes of these options. */
const NPM_SETTINGS: Readonly<Record<string, { readonly setting: string; readonly value?: string }>> = {
  verbose: { setting: "loglevel", value: "verbose" },
  config: { setting: "call" }, // `-c`.
};
const SETTINGS_FILES = ["npm_config_userconfig", "npm_config_globalconfig"];
const NO_PREFIX = "no-";

/**
 * @param script of package.json that runs this process.
 * @throws {UsageError} that lists each option that npm consumed, and the right command.
 */
export function refuseSwallowedOptions(
  script: string,
  options: OptionTypes,
  { argv, env }: NpmProcess,
): void {
  if (env["npm_lifecycle_event"] !== script) return;
  const args = argv.slice(2);
  const settings = SETTINGS_FILES.map((name) => readSettings(env[name])).join("\n");
  const swallowed = Object.entries(options).flatMap(([name, { type }]) => {
    const isGiven = args.some((arg) => arg === dashed(name) || arg.startsWith(`${dashed(name)}=`));
    const option = isGiven ? undefined : swallowedAs(name, type, env, settings);
    return option === undefined ? [] : [option];
  });
  if (swallowed.length === 0) return;

  // The value of `--name VALUE` is one of the other arguments, and nothing shows which one.
  const words = swallowed.some((option) => option.endsWith(VALUE)) ? [] : args;
  throw new UsageError(
    swallowed.map((key) => problem(key, "an option that npm consumed", "it after --")),
    () => `\`${[commandWithArguments(script), ...words, ...swallowed].join(" ")}\``,
  );
}

const VALUE = "VALUE";

/** The option as the user wrote it; `undefined` if npm has not consumed it. */
function swallowedAs(
  name: string,
  type: "string" | "boolean",
  env: NpmProcess["env"],
  settings: string,
): string | undefined {
  const isNegated = name.startsWith(NO_PREFIX);
  const { setting, value: expected } = NPM_SETTINGS[name] ?? {
    setting: isNegated ? name.slice(NO_PREFIX.length) : name,
  };
  const value = env[`npm_config_${setting.replaceAll("-", "_")}`];
  if (value === undefined || (expected !== undefined && value !== expected)) return undefined;
  // A setting in a file of npm is no option of this command.
  if (new RegExp(`^\\s*${setting}\\s*=`, "m").test(settings)) return undefined;
  if (type === "boolean") return (value === "") === isNegated ? dashed(name) : undefined;
  if (value === "") return undefined;
  return value === "true" ? `${dashed(name)} ${VALUE}` : `${dashed(name)}=${value}`;
}

function readSettings(file: string | undefined): string {
  try {
    return file === undefined ? "" : readFileSync(file, "utf8");
  } catch {
    return ""; // npm names its files whether they exist or not.
  }
}
