/** The settings about tokens that can be outputs of other resources, such as of a Cognito user pool in the same program. */
import type * as pulumi from "@pulumi/pulumi";
import { isLater } from "./ownServer/fields.ts";

const NAMES = ["jwksUrl", "jwtIssuer", "jwtAudience"] as const;

type Name = (typeof NAMES)[number];

/** The values that are not known yet. */
export type TokenInputs = Readonly<Partial<Record<Name, pulumi.Input<string>>>>;

/** Takes the place of an output, so that rules see that there is a value. */
const PLACEHOLDER = "https://output.invalid";

/** Separates outputs from plain values, which rules check. */
export function separateTokenInputs(values: Readonly<Record<Name, pulumi.Input<string>>>): {
  readonly plain: Readonly<Record<Name, string>>;
  readonly inputs: TokenInputs;
} {
  const plainOf = (value: pulumi.Input<string>): string => (typeof value === "string" ? value : PLACEHOLDER);
  return {
    plain: {
      jwksUrl: plainOf(values.jwksUrl),
      jwtIssuer: plainOf(values.jwtIssuer),
      jwtAudience: plainOf(values.jwtAudience),
    },
    inputs: Object.fromEntries(
      NAMES.flatMap((name) => (isLater(values[name]) ? [[name, values[name]]] : [])),
    ),
  };
}
