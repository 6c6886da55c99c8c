/** Reads Pulumi.yaml and stack files as the Pulumi CLI does, for evaluations without the CLI. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { parse, YAMLParseError } from "yaml";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { nearest } from "../../app/src/settings/nearest.ts";

const PROJECT_FILE = "Pulumi.yaml";
const DEFAULT_STACK = "dev";
const STACK_FILE = /^Pulumi\.(?<stack>.+)\.yaml$/;

/** The project and the stack, as their files describe them. */
export interface StackFiles {
  readonly project: string;
  readonly stack: string;
  /** File or folder of the program, relative to Pulumi.yaml; `undefined`: Pulumi's default. */
  readonly main: string | undefined;
  /** Values by full key, such as `websocket:minTasks`, as the strings that the Pulumi CLI passes to the program. */
  readonly config: Readonly<Record<string, string>>;
}

/** Whether a folder is that of a Pulumi project. */
export function isProject(root: string): boolean {
  return existsSync(path.join(root, PROJECT_FILE));
}

/** Returns the names of the stacks that have a file in `root`, sorted. */
export function stackNames(root: string): readonly string[] {
  return readdirSync(root)
    .flatMap((file) => STACK_FILE.exec(file)?.groups?.["stack"] ?? [])
    .sort();
}

/**
 * The stack that a command means.
 * @param named the name that the user gives.
 * @returns `dev`, or else the only stack that has a file, if the user gives none.
 * @throws {ExpectedError} if there are several stacks, and none of them is `dev`.
 */
export function chooseStack(root: string, named?: string): string {
  const names = stackNames(root);
  const [only = DEFAULT_STACK, ...others] = names;
  if (named !== undefined) return named;
  if (others.length === 0) return only;
  if (names.includes(DEFAULT_STACK)) return DEFAULT_STACK;
  throw new ExpectedError(
    `\`--stack\`: got nothing; expected one of ${names.join(", ")}. Fix: pass \`--stack ${only}\``,
  );
}

export interface StackFileOptions {
  /** Content of the stack file. @default the content of `Pulumi.STACK.yaml` in `root` */
  readonly content?: string | undefined;
  /** Keys whose value in the file does not count. */
  readonly overridden?: readonly string[] | undefined;
}

/**
 * Reads the configuration of a stack: the values of its file and those of Pulumi.yaml. A project without stack files has only the latter.
 * @throws {ExpectedError} if only other stacks have a file, the file is invalid or a value is encrypted.
 */
export function readStackFiles(
  root: string,
  stack: string,
  { content, overridden = [] }: StackFileOptions = {},
): StackFiles {
  const file = `Pulumi.${stack}.yaml`;
  const project = record(parseYaml(readProjectFile(root), PROJECT_FILE), PROJECT_FILE);
  const ownContent = content ?? readStackFile(root, stack);
  const { name, main } = project;
  if (typeof name !== "string") throw new ExpectedError(`${PROJECT_FILE} has no name.`);
  checkRuntime(project["runtime"]);

  const fullKey = (key: string): string => (key.includes(":") ? key : `${name}:${key}`);
  const config: Record<string, string> = {};
  for (const [key, definition] of Object.entries(record(project["config"] ?? {}, PROJECT_FILE))) {
    const value = valueIn(definition);
    if (value !== undefined) config[fullKey(key)] = text(value);
  }

  const own = record(parseYaml(ownContent, file) ?? {}, file)["config"];
  for (const [key, value] of Object.entries(record(own ?? {}, file))) {
    const full = fullKey(key);
    if (overridden.includes(full)) continue;
    if (typeof value === "object" && value !== null && "secure" in value) {
      throw new ExpectedError(
        `${file}: \`${full}\`: got an encrypted value; expected plain text, as only the Pulumi CLI can read the other. ` +
          `Fix: pass \`-c ${full}=VALUE\`, or if the value is no secret, ` +
          `\`npx pulumi config set --plaintext ${full} VALUE --stack ${stack}\``,
      );
    }
    config[full] = text(value);
  }
  return { project: name, stack, main: typeof main === "string" ? main : undefined, config };
}

/** A value of Pulumi.yaml: itself, or the `default` or `value` of its definition. */
function valueIn(definition: unknown): unknown {
  if (typeof definition !== "object" || definition === null || Array.isArray(definition))
    return definition ?? undefined;
  const { default: standard, value = standard } = definition as Readonly<Record<string, unknown>>;
  return value ?? undefined;
}

/** @throws {ExpectedError} if the program is in another language. */
function checkRuntime(runtime: unknown): void {
  const name = typeof runtime === "object" && runtime !== null && "name" in runtime ? runtime.name : runtime;
  if (name === "nodejs") return;
  const got = typeof name === "string" ? name : "nothing";
  throw new ExpectedError(
    `${PROJECT_FILE}: \`runtime\`: got ${got}; expected nodejs, as other languages are not evaluated.`,
  );
}

/** @throws {ExpectedError} if the file is missing. */
function readProjectFile(root: string): string {
  if (!isProject(root)) {
    throw new ExpectedError(
      `${root} has no ${PROJECT_FILE}; expected the folder of a Pulumi project. Fix: restore the file`,
    );
  }
  return readFileSync(path.join(root, PROJECT_FILE), "utf8");
}

/** @throws {ExpectedError} if the file is missing, with the names of the existing stacks. */
function readStackFile(root: string, stack: string): string {
  const stacks = stackNames(root);
  if (stacks.length === 0) return "";
  if (!stacks.includes(stack)) {
    const meant = nearest(stack, stacks);
    throw new ExpectedError(
      `Pulumi.${stack}.yaml does not exist; the existing stacks are ${stacks.join(", ")}.` +
        (meant === undefined ? "" : ` Did you mean ${meant}?`),
    );
  }
  return readFileSync(path.join(root, `Pulumi.${stack}.yaml`), "utf8");
}

function parseYaml(content: string, file: string): unknown {
  try {
    return parse(content);
  } catch (error) {
    throw error instanceof YAMLParseError ? new ExpectedError(`${file}: ${error.message}`) : error;
  }
}

function record(value: unknown, location: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ExpectedError(`${location}: expected a mapping of keys to values.`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
