/** Reads Pulumi.yaml and the stack files the way the CLI does, for evaluations that run without it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { parse, YAMLParseError } from "yaml";
import { nearest } from "../../app/src/settings/nearest.ts";

const PROJECT_FILE = "Pulumi.yaml";
const STACK_FILE = /^Pulumi\.(?<stack>.+)\.yaml$/;

/** What a stack's files say. */
export interface StackFiles {
  readonly project: string;
  readonly stack: string;
  /** Every configured value by its full key, such as `websocket:minTasks`, as the text that Pulumi hands out. */
  readonly config: Readonly<Record<string, string>>;
}

/** Names of the stacks that have a file in `root`. */
export function stackNames(root: string): readonly string[] {
  return readdirSync(root)
    .flatMap((file) => STACK_FILE.exec(file)?.groups?.["stack"] ?? [])
    .sort();
}

/**
 * Reads the configuration of one stack: the defaults of Pulumi.yaml, and over them the stack's own file.
 * @param content of the stack's file, which then need not exist.
 * @throws {Error} where the stack has no file, naming those that have one, and where a value is encrypted.
 */
export function readStackFiles(root: string, stack: string, content?: string): StackFiles {
  const file = `Pulumi.${stack}.yaml`;
  const ownContent = content ?? readStackFile(root, stack);
  const project = record(parseYaml(readProjectFile(root), PROJECT_FILE), PROJECT_FILE);
  const name = project["name"];
  if (typeof name !== "string") throw new Error(`${PROJECT_FILE} has no name.`);

  const config: Record<string, string> = {};
  for (const [key, definition] of Object.entries(record(project["config"] ?? {}, PROJECT_FILE))) {
    const value = record(definition, `${PROJECT_FILE}: ${key}`)["default"];
    if (value !== undefined) config[`${name}:${key}`] = text(value);
  }

  const own = record(parseYaml(ownContent, file) ?? {}, file)["config"];
  for (const [key, value] of Object.entries(record(own ?? {}, file))) {
    const full = key.includes(":") ? key : `${name}:${key}`;
    if (typeof value === "object" && value !== null && "secure" in value) {
      throw new Error(
        `${file}: ${full} is encrypted, and only Pulumi can read it. It is no secret: ` +
          `npx pulumi config set --plaintext ${full} VALUE --stack ${stack}`,
      );
    }
    config[full] = text(value);
  }
  return { project: name, stack, config };
}

/** @throws {Error} if there is none, with the command that restores it. */
function readProjectFile(root: string): string {
  const file = path.join(root, PROJECT_FILE);
  if (!existsSync(file)) {
    throw new Error(
      `${PROJECT_FILE} is missing in ${root}: it names the project. Fix: git checkout -- ${PROJECT_FILE}`,
    );
  }
  return readFileSync(file, "utf8");
}

/** @throws {Error} if there is none, naming the stacks that have one. */
function readStackFile(root: string, stack: string): string {
  const stacks = stackNames(root);
  if (!stacks.includes(stack)) {
    const meant = nearest(stack, stacks);
    throw new Error(
      `There is no stack file Pulumi.${stack}.yaml; there are stacks ${stacks.join(", ")}.` +
        (meant === undefined ? "" : ` Did you mean ${meant}?`),
    );
  }
  return readFileSync(path.join(root, `Pulumi.${stack}.yaml`), "utf8");
}

function parseYaml(content: string, file: string): unknown {
  try {
    return parse(content);
  } catch (error) {
    throw error instanceof YAMLParseError ? new Error(`${file}: ${error.message}`) : error;
  }
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where}: expected a mapping of keys to values.`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
