/**
 * Checked access to a resource's inputs, which the graph holds as `unknown`. Every error names the resource and
 * the path of the input, so that a program that declares something else than expected says where.
 */
import type { DeclaredResource } from "../../infra/evaluation/graph.ts";

type Fields = Readonly<Record<string, unknown>>;

export class Declared {
  /** The resource and the path so far, such as `aws:lb/listener:Listener "http" defaultActions[0]`. */
  readonly where: string;
  readonly #fields: Fields;

  constructor(where: string, fields: Fields) {
    this.where = where;
    this.#fields = fields;
  }

  static inputsOf({ type, name, inputs }: DeclaredResource): Declared {
    return new Declared(`${type} "${name}"`, inputs);
  }

  static outputsOf({ type, name, outputs }: DeclaredResource): Declared {
    return new Declared(`outputs of ${type} "${name}"`, outputs);
  }

  has(key: string): boolean {
    return this.#fields[key] !== undefined && this.#fields[key] !== null;
  }

  /** @throws {Error} where it is missing and there is no fallback, or where it is not a string. */
  text(key: string, fallback?: string): string {
    const value = this.#value(key, fallback);
    return typeof value === "string" ? value : this.#refuse(key, "a string", value);
  }

  /** A number, also where the provider's schema makes it a string of digits, as in `statusCode: "403"`. */
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

  /** One of `choices`. */
  choice<T extends string>(key: string, choices: readonly T[], fallback?: T): T {
    const value = this.#value(key, fallback);
    return (
      choices.find((choice) => choice === value) ??
      this.#refuse(key, `one of ${choices.join(", ")} to be played here`, value)
    );
  }

  object(key: string): Declared {
    const value = this.#value(key);
    return isFields(value) ? this.#inside(key, value) : this.#refuse(key, "an object", value);
  }

  /** The object at `key`, or one without any field where it is absent. */
  objectOrEmpty(key: string): Declared {
    return this.has(key) ? this.object(key) : this.#inside(key, {});
  }

  /** The objects of a list; none where it is absent. */
  list(key: string): readonly Declared[] {
    return this.#items(key).map((item, index) =>
      isFields(item)
        ? this.#inside(`${key}[${index}]`, item)
        : this.#refuse(`${key}[${index}]`, "an object", item),
    );
  }

  /** The strings of a list; none where it is absent. */
  texts(key: string): readonly string[] {
    return this.#items(key).map((item, index) =>
      typeof item === "string" ? item : this.#refuse(`${key}[${index}]`, "a string", item),
    );
  }

  /** The fields of an object by their keys, in their order, as objects. */
  entries(): readonly (readonly [string, Declared])[] {
    return Object.keys(this.#fields).map((key) => [key, this.object(key)] as const);
  }

  #items(key: string): readonly unknown[] {
    const value = this.#value(key, []);
    return Array.isArray(value) ? value : this.#refuse(key, "a list", value);
  }

  #value(key: string, fallback?: unknown): unknown {
    return this.#fields[key] ?? fallback;
  }

  #inside(key: string, fields: Fields): Declared {
    return new Declared(`${this.where} ${key}`, fields);
  }

  /** Says the type of what stands there and not the value, which may be a secret. */
  #refuse(key: string, wanted: string, value: unknown): never {
    const found = value === undefined || value === null ? "is missing" : `is ${describe(value)}`;
    throw new Error(`${this.where}: ${key} ${found}, and must be ${wanted}.`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
