import type * as pulumi from "@pulumi/pulumi";
import type { Definition, ListDefinition, ValueOf } from "../../app/src/settings/definition.ts";

/** The definition of a key, which is also an argument of the component. */
export type KeyDefinition = Definition & {
  /** Whether the argument can be an output of another resource. Rules then check only plain values. */
  readonly isInput?: true;
};

/** The type of a key's values. */
export type KeyValue<D extends KeyDefinition> = D extends { readonly isInput: true }
  ? D extends ListDefinition
    ? pulumi.Input<readonly pulumi.Input<string>[]>
    : pulumi.Input<ValueOf<D>>
  : ValueOf<D>;

/** A value for each of `Definitions`, under the same names. */
export type KeyValues<Definitions extends Readonly<Record<string, KeyDefinition>>> = {
  readonly [Name in keyof Definitions]: KeyValue<Definitions[Name]>;
};

/** Returns a pattern that also matches an empty text. */
export function orEmpty(pattern: RegExp): RegExp {
  return new RegExp(`(${pattern.source})?`);
}
