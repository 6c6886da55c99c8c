/**
 * Definitions of values that operators write as text, in an environment or a stack file: kind, range, default, and a
 * description of the legal values.
 */

interface Described {
  /** One sentence, without a full stop. */
  readonly description: string;
}

export interface IntegerDefinition extends Described {
  readonly kind: "integer";
  readonly unit: string;
  readonly default: number;
  /** Minimum, inclusive. */
  readonly min: number;
  /** Maximum, inclusive. */
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
  /** Matches the whole of a legal value. */
  readonly pattern: RegExp;
  /** Whether a value that matches is legal. @default always */
  readonly isLegal?: (text: string) => boolean;
  /** Describes the legal values. */
  readonly allowed: string;
}

export interface ListDefinition extends Described {
  readonly kind: "list";
  readonly default: readonly string[];
  /** Matches the whole of a legal item. */
  readonly pattern: RegExp;
  /** Whether an item that matches is legal. @default always */
  readonly isLegal?: (item: string) => boolean;
  /** Describes the legal values. */
  readonly allowed: string;
}

/** A list of objects with the same members. */
export interface RecordsDefinition<Item extends object = object> extends Described {
  readonly kind: "records";
  readonly default: readonly Item[];
  readonly maxRecords: number;
  readonly members: Readonly<Record<keyof Item & string, MemberDefinition>>;
  /** The member that each object has. */
  readonly required: string;
}

/** A value in an object of a list. Its default has no effect. */
export type MemberDefinition = IntegerDefinition | TextDefinition;

/** A definition of values without members. */
export type PlainDefinition =
  IntegerDefinition | BooleanDefinition | ChoiceDefinition | TextDefinition | ListDefinition;

export type Definition = PlainDefinition | RecordsDefinition;

/** The type of the values of a definition. */
export type ValueOf<D extends Definition> = D extends IntegerDefinition
  ? number
  : D extends BooleanDefinition
    ? boolean
    : D extends ChoiceDefinition<infer Choice>
      ? Choice
      : D extends ListDefinition
        ? readonly string[]
        : D extends RecordsDefinition<infer Item>
          ? readonly Item[]
          : string;

/** A value for each of `Definitions`, under the same names. */
export type ValuesOf<Definitions extends Readonly<Record<string, Definition>>> = {
  readonly [Name in keyof Definitions]: ValueOf<Definitions[Name]>;
};

/** Describes the legal values of a definition. */
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
    case "records":
      return `a list of at most ${definition.maxRecords} objects with ${Object.keys(definition.members).join(", ")}`;
  }
}

/**
 * Parses a value. A list is a JSON array, or its items separated by commas.
 * @returns the value, or `undefined` if the text is not legal.
 */
export function decode(definition: PlainDefinition, text: string): unknown {
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
 * Quotes a value for a message. The text before an `@` is masked: in a URL, it is user information, which can contain a
 * password.
 */
export function quoteValue(text: string): string {
  return JSON.stringify(text.replace(USER_INFORMATION, "$1***@"));
}

/** Whether {@link quoteValue} masks a part of the value. */
export function hasUserInformation(text: string): boolean {
  return USER_INFORMATION.test(text);
}

/** Matches up to the last `@`: user information without escapes can contain every delimiter, and `@` itself. */
const USER_INFORMATION = /^([^@]*?:\/\/)?.*@/s;

/** Renders a value as the text that {@link decode} or `readText` reads: a list of objects as JSON. */
export function encode(value: string | number | boolean | readonly (string | object)[]): string {
  if (typeof value !== "object") return String(value);
  return value.every((item) => typeof item === "string") ? value.join(",") : JSON.stringify(value);
}

/**
 * Collects a value for every definition.
 * @param read returns the value of one definition, which must have the definition's type.
 */
export function collect<Definitions extends Readonly<Record<string, Definition>>>(
  definitions: Definitions,
  read: (definition: Definition, name: string) => unknown,
): ValuesOf<Definitions> {
  // `read` returns results of `decode` or defaults, whose types the definitions determine.
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, read(definition, name)]),
  ) as unknown as ValuesOf<Definitions>;
}

/** Splits a list: a JSON array of texts, or items separated by commas. Returns `undefined` if the text is malformed JSON. */
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
