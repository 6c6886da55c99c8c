/**
 * Definitions of single values that people write as text (in an environment, in a stack file): kind, range,
 * default, and the words for what is allowed.
 */

interface Described {
  /** One sentence for people, without a full stop. */
  readonly description: string;
}

export interface IntegerDefinition extends Described {
  readonly kind: "integer";
  readonly unit: string;
  readonly default: number;
  /** Smallest legal value, inclusive. */
  readonly min: number;
  /** Largest legal value, inclusive. */
  readonly max: number;
}

export interface BooleanDefinition extends Described {
  readonly kind: "boolean";
  readonly default: boolean;
}

export interface ChoiceDefinition<Choice extends string | number = string | number> extends Described {
  readonly kind: "choice";
  readonly default: Choice;
  readonly choices: readonly Choice[];
}

export interface TextDefinition extends Described {
  readonly kind: "text";
  readonly default: string;
  /** What a value must match, whole. */
  readonly pattern: RegExp;
  /** Whether a value that matches is legal. @default every one is */
  readonly isLegal?: (text: string) => boolean;
  /** Both in words. */
  readonly allowed: string;
}

export interface ListDefinition extends Described {
  readonly kind: "list";
  readonly default: readonly string[];
  /** What each item must match, whole. */
  readonly pattern: RegExp;
  /** Whether an item that matches is legal. @default every one is */
  readonly isLegal?: (item: string) => boolean;
  /** Both in words. */
  readonly allowed: string;
}

export type Definition =
  IntegerDefinition | BooleanDefinition | ChoiceDefinition | TextDefinition | ListDefinition;

/** The type of a value of `D`. */
export type ValueOf<D extends Definition> = D extends IntegerDefinition
  ? number
  : D extends BooleanDefinition
    ? boolean
    : D extends ChoiceDefinition<infer Choice>
      ? Choice
      : D extends ListDefinition
        ? readonly string[]
        : string;

/** A value for each of `Definitions`, under the same names. */
export type ValuesOf<Definitions extends Readonly<Record<string, Definition>>> = {
  readonly [Name in keyof Definitions]: ValueOf<Definitions[Name]>;
};

/** What a value may be, in words. */
export function allowedValues(definition: Definition): string {
  switch (definition.kind) {
    case "integer":
      return `a whole number from ${definition.min} to ${definition.max} (${definition.unit})`;
    case "boolean":
      return "true or false";
    case "choice":
      return `one of ${definition.choices.join(", ")}`;
    case "text":
    case "list":
      return definition.allowed;
  }
}

/**
 * Reads a value from text. A list is a JSON array, or its items separated by commas.
 * @returns the value, or `undefined` where the text is not a legal one.
 */
export function decode(definition: Definition, text: string): unknown {
  switch (definition.kind) {
    case "integer": {
      const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
      return value >= definition.min && value <= definition.max ? value : undefined;
    }
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "choice":
      return definition.choices.find((choice) => String(choice) === text);
    case "text":
      return isLegalText(definition, text) ? text : undefined;
    case "list": {
      const items = splitList(text);
      return items?.every((item) => isLegalText(definition, item)) === true ? items : undefined;
    }
  }
}

/**
 * A value as messages quote it. What comes before an `@` is masked: in a URL it is user information, which may contain a
 * password, and in a value that was meant as a URL it may be one.
 */
export function quoteValue(text: string): string {
  return JSON.stringify(text.replace(USER_INFORMATION, "$1***@"));
}

/** Whether {@link quoteValue} masks a part of the value. */
export function hasUserInformation(text: string): boolean {
  return USER_INFORMATION.test(text);
}

/** To the last `@`: user information that is not escaped may contain every other delimiter, and `@` itself. */
const USER_INFORMATION = /^([^@]*?:\/\/)?.*@/s;

/** Renders a value as the text that {@link decode} reads. */
export function encode(value: string | number | boolean | readonly string[]): string {
  return typeof value === "object" ? value.join(",") : String(value);
}

/**
 * Gathers a value for every definition.
 * @param read gives the value of one definition; it must be of that definition's type.
 */
export function collect<Definitions extends Readonly<Record<string, Definition>>>(
  definitions: Definitions,
  read: (definition: Definition, name: string) => unknown,
): ValuesOf<Definitions> {
  // The one place where values meet their types: `read` takes them from decode or from the default.
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, read(definition, name)]),
  ) as unknown as ValuesOf<Definitions>;
}

/** The items of a list as people write it: a JSON array, or separated by commas; `undefined` where it is neither. */
export function splitList(text: string): readonly string[] | undefined {
  if (!text.startsWith("[")) return text.split(",").map((item) => item.trim());
  try {
    const items: unknown = JSON.parse(text);
    return Array.isArray(items) && items.every((item) => typeof item === "string") ? items : undefined;
  } catch {
    return undefined;
  }
}

function isLegalText({ pattern, isLegal }: TextDefinition | ListDefinition, text: string): boolean {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(text) && isLegal?.(text) !== false;
}
