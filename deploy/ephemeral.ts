/**
 * Stacks that live for a while: `up pr-123 --from dev --expires 24h`, until `sweep`.
 *
 * When a stack expires stands in its own configuration, which every backend keeps with each update. So a sweep finds
 * it without the stack's file, which is on the machine that made the stack; tags of stacks exist in Pulumi Cloud only.
 * What else is done to a stack, such as a destroy that fails, may be done where its file is not, and then says nothing.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack, UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { isMap, parseDocument, Scalar, visit } from "yaml";
import { PreconditionError } from "./preconditions.ts";
import { stackFileName } from "./stackName.ts";
import { findInHistory } from "./workspace.ts";

/** Of a namespace of our own, in which the program looks for nothing. */
export const EXPIRES_KEY = "deploy:expires";

/** What a stack's secrets are encrypted with belongs to that stack alone. */
const OF_ONE_STACK = ["encryptionsalt", "encryptedkey", "secretsprovider"];

/** Whether what was done to a stack says if, and when, it expires. */
export function tellsExpiry({ kind, config }: Pick<UpdateSummary, "kind" | "config">): boolean {
  return kind === "update" || EXPIRES_KEY in config;
}

/** The configuration that says if, and when, the stack expires; `undefined` for a stack that has never been up. */
export async function configOf(stack: Stack): Promise<UpdateSummary["config"] | undefined> {
  return (await findInHistory(stack, tellsExpiry))?.config;
}

/**
 * @returns `undefined` for a stack that stays.
 * @throws {PreconditionError} where the time is none.
 */
export function expiryOf(config: UpdateSummary["config"] | undefined): Date | undefined {
  const text = config?.[EXPIRES_KEY]?.value;
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new PreconditionError(
    `${EXPIRES_KEY} is ${JSON.stringify(text)}, and must be a time such as 2030-01-31T12:00:00Z: set it in the stack's file, and bring the stack up.`,
  );
}

/** @throws {PreconditionError} where the stack has been up before, and not to expire. */
export function needEphemeral(stack: string, config: UpdateSummary["config"] | undefined): void {
  if (config !== undefined && !(EXPIRES_KEY in config)) throw new PreconditionError(stays(stack));
}

function stays(stack: string): string {
  return `${stack} is a stack that stays: only one that was made with --expires can expire.`;
}

/** What makes a stack that stays hard to lose, and one that does not impossible to sweep. */
const KEEPS = ["protect", "retainData"];

export interface StackFile {
  /** Keys whose values are encrypted for the other stack, and are still to be copied. */
  readonly secrets: readonly string[];
  /** Puts things back as they were. */
  readonly undo: () => void;
}

/**
 * Writes the stack file of an ephemeral stack: that of `from`, without its protection, or its own where it has one, with
 * the time at which it expires.
 * @throws {PreconditionError} where the stack is there and is to stay, or where `from` cannot be copied.
 */
export function writeStackFile(
  root: string,
  {
    project,
    stack,
    from,
    expires,
  }: { readonly project: string; readonly stack: string; readonly from: string; readonly expires: Date },
): StackFile {
  const file = path.join(root, stackFileName(stack));
  const own = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const document = parseDocument(own ?? readFileSync(path.join(root, stackFileName(from)), "utf8"));
  if (own !== undefined && !document.hasIn(["config", EXPIRES_KEY]))
    throw new PreconditionError(stays(stack));

  const secrets = own === undefined ? removeSecrets(document, from) : [];
  if (own === undefined) {
    for (const key of OF_ONE_STACK) document.delete(key);
    letGo(document, project);
  }
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

/** Sets what keeps the other stack to false, wherever it says something of it. */
function letGo(document: ReturnType<typeof parseDocument>, project: string): void {
  const config: unknown = document.get("config");
  if (!isMap(config)) return;
  for (const { key } of config.items) {
    // The project's own namespace may be left out.
    const [name, namespace = project] = String(key).split(":").reverse();
    if (namespace === project && KEEPS.includes(name ?? "")) config.set(key, "false");
  }
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
        `${stackFileName(from)} encrypts a part of a value, which cannot be copied to another stack: encrypt the whole value.`,
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
