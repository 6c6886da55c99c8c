import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import type { DeclaredResource } from "../../infra/evaluation/graph.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Checked access to the inputs or outputs of a declared resource, which the graph holds as `unknown`. Every error names the
 * resource and the path of the field, and shows the type of the value only: the value may be a secret.
 */
export class FieldReader {
  /** The resource and the path to these fields, such as `aws:lb/listener:Listener "http" defaultActions[0]`. */
  readonly path: string;
  readonly #fields: Fields;

  constructor(path: string, fields: Fields) {
    this.path = path;
    this.#fields = fields;
  }

  static inputsOf({ type, name, inputs }: DeclaredResource): FieldReader {
    return new FieldReader(`${type} "${name}"`, inputs);
  }

  static outputsOf({ type, name, outputs }: DeclaredResource): FieldReader {
    return new FieldReader(`outputs of ${type} "${name}"`, outputs);
  }

  has(key: string): boolean {
    return this.#fields[key] !== undefined && this.#fields[key] !== null;
  }

  /** @throws {ExpectedError} if the field is no string, or is absent without a fallback. */
  text(key: string, fallback?: string): string {
    const value = this.#value(key, fallback);
    return typeof value === "string" ? value : this.#refuse(key, "a string", value);
  }

  /** A number, or a string of digits, as the provider's schema has it in `statusCode: "403"`. */
  number(key: string, fallback?: number): number {
    const value = this.#value(key, fallback);
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    return typeof number === "number" && Number.isFinite(number)
      ? number
      : this.#refuse(key, "a number", value);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#value(key, fallback);
    return typeof value === "boolean" ? value : this.#refuse(key, "true or false", value);
  }

  /** One of the values that the local stack can emulate. */
  choice<T extends string>(key: string, choices: readonly T[], fallback?: T): T {
    const value = this.#value(key, fallback);
    return (
      choices.find((choice) => choice === value) ?? this.#refuse(key, `one of ${choices.join(", ")}`, value)
    );
  }

  object(key: string): FieldReader {
    const value = this.#value(key);
    return isFields(value) ? this.#inside(key, value) : this.#refuse(key, "an object", value);
  }

  /** The object of this key, or one without fields if the key is absent. */
  objectOrEmpty(key: string): FieldReader {
    return this.has(key) ? this.object(key) : this.#inside(key, {});
  }

  /** The objects of a list; empty if the key is absent. */
  list(key: string): readonly FieldReader[] {
    return this.#items(key).map((item, index) =>
      isFields(item)
        ? this.#inside(`${key}[${index}]`, item)
        : this.#refuse(`${key}[${index}]`, "an object", item),
    );
  }

  /**
   * The only object of a list.
   * @throws {ExpectedError} if the list has none, or more than one.
   */
  onlyItem(key: string, noun: string): FieldReader {
    const [item, ...others] = this.list(key);
    if (item === undefined || others.length > 0) throw this.unsupportedError(key, `one ${noun}`);
    return item;
  }

  /** The strings of a list; empty if the key is absent. */
  texts(key: string): readonly string[] {
    return this.#items(key).map((item, index) =>
      typeof item === "string" ? item : this.#refuse(`${key}[${index}]`, "a string", item),
    );
  }

  /** The fields of an object by their keys, in their order, as objects. */
  entries(): readonly (readonly [string, FieldReader])[] {
    return Object.keys(this.#fields).map((key) => [key, this.object(key)] as const);
  }

  /** The names of the fields, in their order. */
  keys(): readonly string[] {
    return Object.keys(this.#fields);
  }

  /** The error for a field whose value the local stack cannot emulate. */
  unsupportedError(key: string, supported: string): ExpectedError {
    return new ExpectedError(
      `${this.path}: ${key} is unsupported by the local stack; expected ${supported}.`,
    );
  }

  #items(key: string): readonly unknown[] {
    const value = this.#value(key, []);
    return Array.isArray(value) ? value : this.#refuse(key, "a list", value);
  }

  #value(key: string, fallback?: unknown): unknown {
    return this.#fields[key] ?? fallback;
  }

  #inside(key: string, fields: Fields): FieldReader {
    return new FieldReader(`${this.path} ${key}`, fields);
  }

  #refuse(key: string, expected: string, value: unknown): never {
    const got = value === undefined || value === null ? "nothing" : describeType(value);
    throw new ExpectedError(`${this.path}: ${key}: got ${got}; expected ${expected}.`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describeType(value: unknown): string {
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
