/** What must be there before anything starts. Each that is missing is one sentence. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { parse } from "yaml";
import { nearest } from "../app/src/settings/nearest.ts";
import { isExecutable } from "../cli/executable.ts";
import { stackNames } from "../infra/evaluation/stackFiles.ts";
import type { CommandName, Options } from "./options.ts";
import { shortName, stackFileName } from "./stackName.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Something is missing that only the user can provide; nothing has been started. */
export class PreconditionError extends Error {
  override readonly name = "PreconditionError";
}

/** Where to look. */
export interface Places {
  /** Folder of Pulumi.yaml. */
  readonly root: string;
  readonly home: string;
  readonly env: Environment;
}

/** Commands that take their configuration from the stack's file: a typo must not create a stack. */
const NEED_STACK_FILE: ReadonlySet<CommandName> = new Set(["up", "preview", "rotate-secret"]);
/** Commands that only look at what Pulumi knows. */
const NEED_NO_CREDENTIALS: ReadonlySet<CommandName> = new Set(["outputs", "status", "smoke"]);

/**
 * @returns the folder of the CLI; see {@link findCli}.
 * @throws {PreconditionError} for the first that is missing.
 */
export function checkPreconditions(
  { command, stack, ephemeral }: Pick<Options, "command" | "stack" | "ephemeral">,
  places: Places,
): string | undefined {
  const { version } = createRequire(import.meta.url)("pulumi/package.json") as { version: string };
  const cliRoot = findCli(version, places);
  const configured = ephemeral?.from ?? stack;
  if (NEED_STACK_FILE.has(command)) needStackFile(places, configured);
  needPassphrase(places, stack);
  if (!NEED_NO_CREDENTIALS.has(command)) needCredentials(places, configured);
  return cliRoot;
}

/**
 * @param version of the project's own CLI.
 * @returns the folder that has `bin/pulumi` in it; `undefined` for the one on PATH.
 * @throws {PreconditionError} where there is none. The package `pulumi` would download one, unasked.
 */
export function findCli(version: string, { home, env }: Omit<Places, "root">): string | undefined {
  const root = path.join(env["PULUMI_HOME"] ?? path.join(home, ".pulumi"), "versions", version);
  if (isExecutable(path.join(root, "bin", EXECUTABLE))) return root;
  const onPath = (env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.endsWith(path.join("node_modules", ".bin")))
    .some((folder) => isExecutable(path.join(folder, EXECUTABLE)));
  if (onPath) return undefined;
  throw new PreconditionError(
    `There is no Pulumi CLI here: npx pulumi version downloads ${version}, the project's own.`,
  );
}

const EXECUTABLE = process.platform === "win32" ? "pulumi.exe" : "pulumi";

/** @throws {PreconditionError} where the stack has none, naming those that have. */
export function needStackFile({ root }: Pick<Places, "root">, stack: string): void {
  const names = stackNames(root);
  if (names.includes(shortName(stack))) return;
  const meant = nearest(shortName(stack), names);
  throw new PreconditionError(
    `There is no ${stackFileName(stack)}; there are stacks ${names.join(", ")}.` +
      (meant === undefined
        ? ` With --from ${names[0] ?? "dev"} --expires 24h, up makes an ephemeral one.`
        : ` Did you mean ${meant}?`),
  );
}

/** What encrypts the secrets of a stack, as its file names it; `undefined` leaves it to the backend. */
export function secretsProviderOf(root: string, stack: string): string | undefined {
  const file = path.join(root, stackFileName(stack));
  if (!existsSync(file)) return undefined;
  const { secretsprovider, encryptionsalt } = (parse(readFileSync(file, "utf8")) ?? {}) as {
    readonly secretsprovider?: string;
    readonly encryptionsalt?: string;
  }; // A mapping with these, or Pulumi refuses it.
  return secretsprovider ?? (encryptionsalt === undefined ? undefined : "passphrase");
}

/**
 * @throws {PreconditionError} where the stack's secrets need a passphrase and there is none. A backend in files or in
 * a bucket needs one unless the stack file says otherwise.
 */
export function needPassphrase({ root, env }: Omit<Places, "home">, stack: string): void {
  if (env["PULUMI_CONFIG_PASSPHRASE"] !== undefined || env["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined)
    return;
  const provider = secretsProviderOf(root, stack);
  const ownBackend = /^(?:file|s3|gs|azblob):/.test(env["PULUMI_BACKEND_URL"] ?? "");
  if (provider === "passphrase" || (provider === undefined && ownBackend))
    throw new PreconditionError(NO_PASSPHRASE);
}

const NO_PASSPHRASE =
  "The stack's secrets are encrypted with a passphrase: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.";

/** Names the hardware's vendor on Linux. A machine of EC2 may have a role, and shows no other sign of it. */
const VENDOR_FILE = "/sys/devices/virtual/dmi/id/sys_vendor";

/** Each alone says that there are credentials: AWS SDKs and Tools Reference Guide, "credential provider chain". */
const CREDENTIAL_VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/** @throws {PreconditionError} where nothing could be a source of AWS credentials. Whether they work, AWS says. */
export function needCredentials({ root, home, env }: Places, stack: string, vendorFile = VENDOR_FILE): void {
  if (CREDENTIAL_VARIABLES.some((name) => env[name] !== undefined && env[name] !== "")) return;
  const files = [
    env["AWS_SHARED_CREDENTIALS_FILE"] ?? path.join(home, ".aws", "credentials"),
    env["AWS_CONFIG_FILE"] ?? path.join(home, ".aws", "config"),
  ];
  if (files.some((file) => existsSync(file))) return;
  if (existsSync(vendorFile) && readFileSync(vendorFile, "utf8").includes("Amazon EC2")) return;
  // An environment of Pulumi ESC may bring them.
  const stackFile = path.join(root, stackFileName(stack));
  if (existsSync(stackFile) && /^environment:/m.test(readFileSync(stackFile, "utf8"))) return;
  throw new PreconditionError(
    "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (aws sso login).",
  );
}

/** What the CLI itself says when something is missing or in the way, and the sentence for it. */
const CLI_ERRORS: readonly (readonly [RegExp, string])[] = [
  [/incorrect passphrase/, "PULUMI_CONFIG_PASSPHRASE is not the passphrase of this stack."],
  [/passphrase must be set/, NO_PASSPHRASE],
  [
    /PULUMI_ACCESS_TOKEN|not logged in|pulumi login/i,
    "Pulumi does not know where to keep the state: npx pulumi login, or set PULUMI_ACCESS_TOKEN or PULUMI_BACKEND_URL.",
  ],
  [
    /currently locked by|Another update is currently in progress/,
    "Another update of this stack is running; if it is dead, npx pulumi cancel --stack STACK unlocks the stack.",
  ],
  [/no stack named/, "The stack is not there: npm run deploy -- up STACK creates it."],
  [
    /minimum CLI version|Minimum version requirement|Major version mismatch/,
    "The Pulumi CLI on PATH does not fit: npx pulumi version downloads the project's own.",
  ],
];

/** @returns the sentence for an error of the CLI, or `undefined` for an unknown one. */
export function explainCliError(message: string, stack: string): string | undefined {
  return CLI_ERRORS.find(([pattern]) => pattern.test(message))?.[1].replaceAll(/\bSTACK\b/g, stack);
}
