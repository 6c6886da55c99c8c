/** The settings as environment variables: reading and rendering. */
import { collect, encode } from "./definition.ts";
import { ExpectedError } from "./expectedError.ts";
import { nearest } from "./nearest.ts";
import { formatProblems, HIDDEN } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { contradictions } from "./relations.ts";
import { readText } from "./reading.ts";
import { serviceLinks } from "./serviceLinks.ts";
import { isSecret, settingDefinitions, settingNames } from "./settings.ts";
import type { SettingName, Settings } from "./settings.ts";

/** Prefix of every variable but HOST and PORT. An unknown variable with this prefix is an error. */
export const VARIABLE_PREFIX = "WEBSOCKET_";

/** Hosts that other machines cannot reach. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

/** All problems of an environment. */
export class SettingsError extends ExpectedError {
  override readonly name = "SettingsError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(
      ["The environment is not usable:", ...formatProblems(problems).map((line) => `  ${line}`)].join("\n"),
    );
    this.problems = problems;
  }
}

/**
 * Reads the settings from an environment. A setting whose variable is absent or empty has its default; `access` has a
 * default only if other machines cannot reach the server.
 * @throws {SettingsError} with every illegal value, every unknown variable that starts with {@link VARIABLE_PREFIX}, and
 * every contradiction if there are no such values and variables.
 */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Settings {
  const problems: Problem[] = [];
  const variableOf = (name: SettingName): string => settingDefinitions[name].variable;
  const links = ignoredVariables(environment);

  const settings = collect(settingDefinitions, (definition, name) => {
    // `collect` passes the names of the definitions.
    const variable = variableOf(name as SettingName);
    const text = links.includes(variable) ? undefined : environment[variable];
    if (text === undefined || text === "") return definition.default;
    const read = readText(definition, text);
    if ("value" in read) return read.value;
    for (const { at, got, expected } of read.faults) {
      const shown = isSecret(name as SettingName) ? HIDDEN : got;
      problems.push({ key: `${variable}${at}`, got: shown, expected, fix: [] });
    }
    return undefined;
  });

  const variables = settingNames().map(variableOf);
  for (const key of Object.keys(environment)) {
    if (!key.startsWith(VARIABLE_PREFIX) || variables.includes(key) || links.includes(key)) continue;
    const meant = nearest(key, variables);
    problems.push({
      key,
      got: "an unknown variable",
      expected:
        meant === undefined ? `one of ${variables.join(", ")}` : `a known one (did you mean ${meant}?)`,
      fix: [],
    });
  }

  // Relations between values are meaningful only if each value is legal.
  if (problems.length === 0) {
    const { variable, choices } = settingDefinitions.access;
    if ((environment[variable] ?? "") === "" && !LOOPBACK_HOST.test(settings.host)) {
      problems.push({
        key: variable,
        got: "nothing",
        expected: `one of ${choices.join(", ")}, because other machines can reach HOST ${settings.host}`,
        fix: [],
      });
    }
    problems.push(...contradictions(settings, variableOf));
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** Returns the variables that look like settings, but describe a service of the platform with a similar name. */
export function ignoredVariables(
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return serviceLinks(environment, VARIABLE_PREFIX);
}

/** Renders settings as environment variables, without secrets: the inverse of {@link fromEnvironment}. */
export function toEnvironment(settings: Partial<Settings>): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of settingNames()) {
    const value = settings[name];
    if (value !== undefined && !isSecret(name))
      environment[settingDefinitions[name].variable] = encode(value);
  }
  return environment;
}
