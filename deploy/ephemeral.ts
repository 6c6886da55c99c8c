/**
 * Stacks that live for a while: `up pr-123 --from dev --expires 24h`, until `sweep`.
 *
 * When a stack expires stands in its own configuration, which every backend keeps with each update. So a sweep finds
 * it without the stack's file, which is on the machine that made the stack; tags of stacks exist in Pulumi Cloud only.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack, UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { isMap, parseDocument, Scalar, visit } from "yaml";
import { PreconditionError } from "./preconditions.ts";

/** Of a namespace of our own, in which the program looks for nothing. */
export const EXPIRES_KEY = "deploy:expires";

/** What a stack's secrets are encrypted with belongs to that stack alone. */
const OF_ONE_STACK = ["encryptionsalt", "encryptedkey", "secretsprovider"];

/** @returns `undefined` for a stack that stays. */
export function expiryOf(update: Pick<UpdateSummary, "config"> | undefined): Date | undefined {
  const text = update?.config[EXPIRES_KEY]?.value;
  return text === undefined ? undefined : new Date(text);
}

/** @throws {PreconditionError} where the stack has been up before, and not to expire. */
export function needEphemeral(stack: string, update: Pick<UpdateSummary, "config"> | undefined): void {
  if (update !== undefined && expiryOf(update) === undefined) throw new PreconditionError(stays(stack));
}

function stays(stack: string): string {
  return `${stack} is a stack that stays: only one that was made with --expires can expire.`;
}

export interface StackFile {
  /** Keys whose values are encrypted for the other stack, and are still to be copied. */
  readonly secrets: readonly string[];
  /** Puts things back as they were. */
  readonly undo: () => void;
}

/**
 * Writes the stack file of an ephemeral stack: that of `from`, or its own where it has one, with the time at which it
 * expires.
 * @throws {PreconditionError} where the stack is there and is to stay, or where `from` cannot be copied.
 */
export function writeStackFile(root: string, stack: string, from: string, expires: Date): StackFile {
  const file = path.join(root, `Pulumi.${stack}.yaml`);
  const own = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const document = parseDocument(own ?? readFileSync(path.join(root, `Pulumi.${from}.yaml`), "utf8"));
  if (own !== undefined && !document.hasIn(["config", EXPIRES_KEY]))
    throw new PreconditionError(stays(stack));

  const secrets = own === undefined ? removeSecrets(document, from) : [];
  if (own === undefined) for (const key of OF_ONE_STACK) document.delete(key);
  const time = new Scalar(expires.toISOString());
  // YAML knows times, and Pulumi knows none.
  time.type = "QUOTE_DOUBLE";
  document.setIn(["config", EXPIRES_KEY], time);
  writeFileSync(file, document.toString({ lineWidth: 0 }));
  return {
    secrets,
    undo: () => {
      if (own === undefined) rmSync(file, { force: true });
      else writeFileSync(file, own);
    },
  };
}

/** @throws {PreconditionError} for a value that is encrypted in part: the CLI copies whole values only. */
function removeSecrets(document: ReturnType<typeof parseDocument>, from: string): readonly string[] {
  const config: unknown = document.get("config");
  if (!isMap(config)) return [];
  const keys = config.items.map(({ key }) => String(key));
  const secrets = keys.filter((key) => config.hasIn([key, "secure"]));
  for (const key of secrets) config.delete(key);
  visit(config, {
    Pair(_, { key }) {
      if (String(key) !== "secure") return;
      throw new PreconditionError(
        `Pulumi.${from}.yaml encrypts a part of a value, which cannot be copied to another stack: encrypt the whole value.`,
      );
    },
  });
  return secrets;
}

/** Decrypts the values with the key of `from`, and encrypts them with the stack's own. */
export async function copySecrets(stack: Stack, from: string, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const { value } = await stack.workspace.getConfig(from, key);
    await stack.setConfig(key, { value, secret: true });
  }
}
