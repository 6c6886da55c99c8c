/** Reads Pulumi.yaml and stack files as the Pulumi CLI does, for evaluations without the CLI. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { parse, YAMLParseError } from "yaml";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { nearest } from "../../app/src/settings/nearest.ts";

const PROJECT_FILE = "Pulumi.yaml";
const STACK_FILE = /^Pulumi\.(?<stack>.+)\.yaml$/;

/** The configuration of a stack in its files. */
export interface StackFiles {
  readonly project: string;
  readonly stack: string;
  /** Values by full key, such as `websocket:minTasks`, as the strings that the Pulumi CLI passes to the program. */
  readonly config: Readonly<Record<string, string>>;
}

/** Returns the names of the stacks that have a file in `root`, sorted. */
export function stackNames(root: string): readonly string[] {
  return readdirSync(root)
    .flatMap((file) => STACK_FILE.exec(file)?.groups?.["stack"] ?? [])
    .sort();
}

/**
 * Reads the configuration of a stack: the values of its file and the defaults of Pulumi.yaml.
 * @param content content of the stack file. @default the content of `Pulumi.STACK.yaml` in `root`
 * @throws {ExpectedError} if the stack has no file, the file is invalid or a value is encrypted.
 */
export function readStackFiles(root: string, stack: string, content?: string): StackFiles {
  const file = `Pulumi.${stack}.yaml`;
  const ownContent = content ?? readStackFile(root, stack);
  const project = record(parseYaml(readProjectFile(root), PROJECT_FILE), PROJECT_FILE);
  const name = project["name"];
  if (typeof name !== "string") throw new ExpectedError(`${PROJECT_FILE} has no name.`);

  const config: Record<string, string> = {};
  for (const [key, definition] of Object.entries(record(project["config"] ?? {}, PROJECT_FILE))) {
    const value = record(definition, `${PROJECT_FILE}: ${key}`)["default"];
    if (value !== undefined) config[`${name}:${key}`] = text(value);
  }

  const own = record(parseYaml(ownContent, file) ?? {}, file)["config"];
  for (const [key, value] of Object.entries(record(own ?? {}, file))) {
    const full = key.includes(":") ? key : `${name}:${key}`;
    if (typeof value === "object" && value !== null && "secure" in value) {
      throw new ExpectedError(
        `${file}: \`${full}\`: got an encrypted value; expected plain text, as the key is not a secret. ` +
          `Fix: \`npx pulumi config set --plaintext ${full} VALUE --stack ${stack}\``,
      );
    }
    config[full] = text(value);
  }
  return { project: name, stack, config };
}

/** @throws {ExpectedError} if the file is missing, with the command that restores it. */
function readProjectFile(root: string): string {
  const file = path.join(root, PROJECT_FILE);
  if (!existsSync(file)) {
    throw new ExpectedError(
      `${root} has no ${PROJECT_FILE}, which contains the name of the project. Fix: \`git checkout -- ${PROJECT_FILE}\``,
    );
  }
  return readFileSync(file, "utf8");
}

/** @throws {ExpectedError} if the file is missing, with the names of the existing stacks. */
function readStackFile(root: string, stack: string): string {
  const stacks = stackNames(root);
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
