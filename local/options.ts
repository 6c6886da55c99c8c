/** The command line. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { nearest } from "../app/src/nearest.ts";

export interface Options {
  readonly stack: string;
  /** `undefined` for what the stack declares. */
  readonly tasks: number | undefined;
  readonly edgePort: number;
  readonly loadBalancerPort: number;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly help: boolean;
}

const MAX_PORT = 65_535;
/** What stands where a value should be, and is the next option. A negative number is a value, if a wrong one. */
const LOOKS_LIKE_OPTION = /^-\D/;

const OPTIONS = {
  stack: { type: "string", default: "dev" },
  tasks: { type: "string" },
  "edge-port": { type: "string", default: "8443" },
  "load-balancer-port": { type: "string", default: "8081" },
  json: { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const satisfies ParseArgsConfig["options"];

export const HELP = `Runs the declared stack on this machine: edge, load balancer and tasks, from the values
that the Pulumi program declares. A development tool; production is AWS.

Usage: npm start -- [options]

  --stack NAME                stack whose Pulumi.NAME.yaml is read (${OPTIONS.stack.default})
  --tasks N                   tasks to run, up to the declared maximum (the declared minimum)
  --edge-port PORT            HTTPS and WSS, as CloudFront (${OPTIONS["edge-port"].default})
  --load-balancer-port PORT   HTTP, as the load balancer (${OPTIONS["load-balancer-port"].default})
  --json                      one JSON object per line, for programs
  --verbose                   also what the tasks log
  -h, --help                  this text

Port 0 lets the system choose. Ctrl-C stops everything; a second one at once.
`;

/** @throws {Error} listing everything that is wrong, each with what is allowed. */
export function parseOptions(args: readonly string[]): Options {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false, // The errors below say more than parseArgs' own.
    allowPositionals: true,
    tokens: true,
  });
  const problems: string[] = [];
  const names = Object.keys(OPTIONS);
  for (const token of tokens) {
    if (token.kind === "positional") {
      problems.push(
        `${JSON.stringify(token.value)} is not an option; there are ${names.map(dashed).join(", ")}.`,
      );
    } else if (token.kind === "option") {
      const definition = Object.entries(OPTIONS).find(([name]) => name === token.name)?.[1];
      if (definition === undefined) {
        problems.push(unknownOption(token.rawName, token.name, names));
      } else if (definition.type === "string") {
        const isNextOption = token.inlineValue !== true && LOOKS_LIKE_OPTION.test(token.value ?? "");
        if (!token.value || isNextOption) problems.push(`${token.rawName} needs a value.`);
      } else if (token.value !== undefined) {
        problems.push(`${token.rawName} takes no value.`);
      }
    }
  }

  function wholeNumber(name: "tasks" | "edge-port" | "load-balancer-port", min: number, max: number): number {
    const text = String(values[name]);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Infinity ? `of ${min} or more` : `from ${min} to ${max}`;
      problems.push(`${dashed(name)} is ${JSON.stringify(text)}, and must be a whole number ${range}.`);
    }
    return value;
  }

  // A problem found so far makes a value worthless, and a second complaint about it noise.
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const options: Options = {
    stack: String(values.stack),
    tasks: values.tasks === undefined ? undefined : wholeNumber("tasks", 1, Infinity),
    edgePort: wholeNumber("edge-port", 0, MAX_PORT),
    loadBalancerPort: wholeNumber("load-balancer-port", 0, MAX_PORT),
    json: values.json === true,
    verbose: values.verbose === true,
    help: values.help === true,
  };
  if (options.edgePort !== 0 && options.edgePort === options.loadBalancerPort) {
    problems.push(`--edge-port and --load-balancer-port are both ${options.edgePort}, and must differ.`);
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return options;
}

function unknownOption(rawName: string, name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  const hint =
    meant === undefined ? `; there are ${names.map(dashed).join(", ")}.` : `; did you mean ${dashed(meant)}?`;
  return `${rawName} is not an option${hint}`;
}

function dashed(name: string): string {
  return `--${name}`;
}
