/** Checks before a command starts. Each failure is one sentence with the fix. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { parse } from "yaml";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { nearest } from "../app/src/settings/nearest.ts";
import { isExecutable } from "../cli/executable.ts";
import { stackNames } from "../infra/evaluation/stackFiles.ts";
import type { CommandName, DeployOptions } from "./options.ts";
import { shortName, stackFileName } from "./stack/stackName.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Folders and variables of the checks. */
export interface Places {
  /** Folder of Pulumi.yaml. */
  readonly root: string;
  readonly home: string;
  readonly env: Environment;
}

/** Commands that read the stack's file. The check prevents a new stack with a misspelt name. */
const NEED_STACK_FILE: ReadonlySet<CommandName> = new Set(["up", "preview", "rotate-secret"]);
/** Commands that make no calls to AWS. */
const NEED_NO_CREDENTIALS: ReadonlySet<CommandName> = new Set(["outputs", "status", "smoke"]);

/**
 * @returns the folder of the CLI; see {@link findCli}.
 * @throws {ExpectedError} for the first check that fails.
 */
export function checkPreconditions(
  { command, stack, ephemeral }: Pick<DeployOptions, "command" | "stack" | "ephemeral">,
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
 * @param version version of the project's CLI.
 * @returns the folder that contains `bin/pulumi`; `undefined` for the CLI on PATH.
 * @throws {ExpectedError} if there is none. The package `pulumi` would download one without asking.
 */
export function findCli(version: string, { home, env }: Omit<Places, "root">): string | undefined {
  const root = path.join(env["PULUMI_HOME"] ?? path.join(home, ".pulumi"), "versions", version);
  if (isExecutable(path.join(root, "bin", EXECUTABLE))) return root;
  const onPath = (env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => !folder.endsWith(path.join("node_modules", ".bin")))
    .some((folder) => isExecutable(path.join(folder, EXECUTABLE)));
  if (onPath) return undefined;
  throw new ExpectedError(
    `The Pulumi CLI is missing. Fix: \`npx pulumi version\` downloads version ${version}.`,
  );
}

const EXECUTABLE = process.platform === "win32" ? "pulumi.exe" : "pulumi";

/** @throws {ExpectedError} that lists the existing stack files, if the stack has none. */
export function needStackFile({ root }: Pick<Places, "root">, stack: string): void {
  const names = stackNames(root);
  if (names.includes(shortName(stack))) return;
  const meant = nearest(shortName(stack), names);
  throw new ExpectedError(
    `${stackFileName(stack)} does not exist; the stacks are ${names.join(", ")}.` +
      (meant === undefined
        ? ` For an ephemeral stack: \`npm run deploy -- up ${stack} --from ${names[0] ?? "dev"} --expires 24h\``
        : ` Did you mean ${meant}?`),
  );
}

/** The secrets provider in the stack's file; `undefined` for the backend's default. */
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
 * @throws {ExpectedError} if the stack's secrets need a passphrase and none is set. A backend in files or in a bucket
 * needs one unless the stack file sets another secrets provider.
 */
export function needPassphrase({ root, env }: Omit<Places, "home">, stack: string): void {
  if (env["PULUMI_CONFIG_PASSPHRASE"] !== undefined || env["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined)
    return;
  const provider = secretsProviderOf(root, stack);
  const ownBackend = /^(?:file|s3|gs|azblob):/.test(env["PULUMI_BACKEND_URL"] ?? "");
  if (provider === "passphrase" || (provider === undefined && ownBackend))
    throw new ExpectedError(NO_PASSPHRASE);
}

const NO_PASSPHRASE =
  "The stack's secrets are encrypted with a passphrase. Fix: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.";

/** The hardware's vendor on Linux. An EC2 instance may have a role, which is not visible otherwise. */
const VENDOR_FILE = "/sys/devices/virtual/dmi/id/sys_vendor";

/** Each one indicates credentials: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html. */
const CREDENTIAL_VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/** @throws {ExpectedError} if no source of AWS credentials exists. Only AWS can report whether they are valid. */
export function needCredentials({ root, home, env }: Places, stack: string, vendorFile = VENDOR_FILE): void {
  if (CREDENTIAL_VARIABLES.some((name) => env[name] !== undefined && env[name] !== "")) return;
  const files = [
    env["AWS_SHARED_CREDENTIALS_FILE"] ?? path.join(home, ".aws", "credentials"),
    env["AWS_CONFIG_FILE"] ?? path.join(home, ".aws", "config"),
  ];
  if (files.some((file) => existsSync(file))) return;
  if (existsSync(vendorFile) && readFileSync(vendorFile, "utf8").includes("Amazon EC2")) return;
  // An environment of Pulumi ESC may contain credentials.
  const stackFile = path.join(root, stackFileName(stack));
  if (existsSync(stackFile) && /^environment:/m.test(readFileSync(stackFile, "utf8"))) return;
  throw new ExpectedError(
    "No AWS credentials were found. Fix: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`.",
  );
}

/** Errors of the CLI itself, each with its explanation. */
const CLI_ERRORS: readonly (readonly [RegExp, string])[] = [
  [/incorrect passphrase/, "PULUMI_CONFIG_PASSPHRASE is not the passphrase of this stack."],
  [/passphrase must be set/, NO_PASSPHRASE],
  [
    /PULUMI_ACCESS_TOKEN|not logged in|pulumi login/i,
    "No Pulumi backend is configured. Fix: `npx pulumi login`, or set PULUMI_ACCESS_TOKEN or PULUMI_BACKEND_URL.",
  ],
  [
    /currently locked by|Another update is currently in progress/,
    "Another update of this stack is running. If its process has ended, `npx pulumi cancel --stack STACK` unlocks the stack.",
  ],
  [/no stack named/, "The stack STACK does not exist. Fix: `npm run deploy -- up STACK` creates it."],
  [
    /minimum CLI version|Minimum version requirement|Major version mismatch/,
    "The Pulumi CLI on PATH has an unsupported version. Fix: `npx pulumi version` downloads the right one.",
  ],
];

/** @returns the explanation for an error of the CLI; `undefined` for an unknown error. */
export function explainCliError(message: string, stack: string): string | undefined {
  return CLI_ERRORS.find(([pattern]) => pattern.test(message))?.[1].replaceAll(/\bSTACK\b/g, stack);
}
