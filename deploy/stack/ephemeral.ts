/**
 * Stacks with an expiry: `up pr-123 --from dev --expires 24h`, until `sweep`.
 *
 * The configuration of the stack contains the expiry. Every backend keeps the configuration with each update, so `sweep`
 * needs no stack file (stack tags exist only in Pulumi Cloud). Other operations, for example a failed destroy, may run on a
 * machine without the stack file; their configuration then lacks the expiry.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack, UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { isMap, parseDocument, Scalar, visit } from "yaml";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { stackFileName } from "./stackName.ts";
import { findInHistory } from "./workspace.ts";

/** In a namespace that the program does not read. */
export const EXPIRES_KEY = "deploy:expires";

/** Keys of a stack file that describe the stack's own encryption. */
const ENCRYPTION_KEYS = ["encryptionsalt", "encryptedkey", "secretsprovider"];

/** Whether the configuration of a history entry determines if, and when, the stack expires. */
export function hasExpiryInfo({ kind, config }: Pick<UpdateSummary, "kind" | "config">): boolean {
  return kind === "update" || EXPIRES_KEY in config;
}

/** The configuration that determines the expiry; `undefined` for a stack that was never deployed. */
export async function configOf(stack: Stack): Promise<UpdateSummary["config"] | undefined> {
  return (await findInHistory(stack, hasExpiryInfo))?.config;
}

/**
 * @returns `undefined` for a permanent stack.
 * @throws {ExpectedError} if the value is not a time.
 */
export function expiryOf(config: UpdateSummary["config"] | undefined): Date | undefined {
  const text = config?.[EXPIRES_KEY]?.value;
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new ExpectedError(
    `\`${EXPIRES_KEY}\`: got ${JSON.stringify(text)}; expected a time such as 2030-01-31T12:00:00Z. Fix: set it in the stack's file, and deploy the stack.`,
  );
}

/** @throws {ExpectedError} if the stack was deployed before without an expiry. */
export function needEphemeral(stack: string, config: UpdateSummary["config"] | undefined): void {
  if (config !== undefined && !(EXPIRES_KEY in config)) throw new ExpectedError(permanentStack(stack));
}

function permanentStack(stack: string): string {
  return `${stack} is a permanent stack: only a stack that was created with --expires can expire.`;
}

/** Keys that protect a permanent stack, and would prevent the sweep of an ephemeral one. */
const PROTECTION_KEYS = ["protect", "retainData"];

export interface StackFile {
  /** Keys of encrypted values, which {@link copySecrets} copies. */
  readonly secrets: readonly string[];
  /** Restores the previous file, or removes the new one. */
  readonly undo: () => void;
}

/**
 * Writes the stack file of an ephemeral stack: its own file, or else a copy of `from` without protection. Sets the expiry.
 * @throws {ExpectedError} if the stack is permanent, or if `from` cannot be copied.
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
    throw new ExpectedError(permanentStack(stack));

  const secrets = own === undefined ? removeSecrets(document, from) : [];
  if (own === undefined) {
    for (const key of ENCRYPTION_KEYS) document.delete(key);
    clearProtection(document, project);
  }
  const time = new Scalar(expires.toISOString());
  // Unquoted, YAML would read a timestamp, which Pulumi rejects.
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

/** Sets {@link PROTECTION_KEYS} to false if the document has them. */
function clearProtection(document: ReturnType<typeof parseDocument>, project: string): void {
  const config: unknown = document.get("config");
  if (!isMap(config)) return;
  for (const { key } of config.items) {
    // A key without a namespace is in the project's.
    const [name, namespace = project] = String(key).split(":").reverse();
    if (namespace === project && PROTECTION_KEYS.includes(name ?? "")) config.set(key, "false");
  }
}

/** @throws {ExpectedError} for a partly encrypted value: the CLI copies only whole values. */
function removeSecrets(document: ReturnType<typeof parseDocument>, from: string): readonly string[] {
  const config: unknown = document.get("config");
  if (!isMap(config)) return [];
  const keys = config.items.map(({ key }) => String(key));
  const secrets = keys.filter((key) => config.hasIn([key, "secure"]));
  for (const key of secrets) config.delete(key);
  visit(config, {
    Pair(_, { key }) {
      if (String(key) !== "secure") return;
      throw new ExpectedError(
        `${stackFileName(from)} encrypts a part of a value, which cannot be copied. Fix: encrypt the whole value.`,
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
