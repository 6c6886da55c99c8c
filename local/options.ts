/** The command line. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { quoteValue } from "../app/src/settings/definition.ts";
import { nearest, suggest } from "../app/src/settings/nearest.ts";
import { dashed, problemsOf, refuse } from "../cli/options.ts";

export interface Options {
  readonly stack: string;
  /** `undefined` for what the stack declares. */
  readonly tasks: number | undefined;
  readonly edgePort: number;
  readonly loadBalancerPort: number;
  readonly apiGatewayPort: number;
  /** What plays the API Gateway. */
  readonly apiGatewayOrigin: URL | undefined;
  /** Values over those of the stack's file, by key. */
  readonly config: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly help: boolean;
}

const PORT_OPTIONS = ["edge-port", "load-balancer-port", "api-gateway-port"] as const;
type PortOption = (typeof PORT_OPTIONS)[number];

const MAX_PORT = 65_535;
/** The local stack calls nothing but this machine. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const WEB_SCHEMES = ["ws:", "wss:", "http:", "https:"];
/** As stacks are called; a number would be one too, and is not meant. */
const STACK_NAME = /^[a-z][\w.-]*$/i;

export const OPTIONS = {
  stack: { type: "string", default: "dev" },
  tasks: { type: "string" },
  "edge-port": { type: "string", default: "8443" },
  "load-balancer-port": { type: "string", default: "8081" },
  "api-gateway-port": { type: "string", default: "8444" },
  "api-gateway-origin": { type: "string" },
  config: { type: "string", short: "c", multiple: true },
  json: { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const satisfies ParseArgsConfig["options"];

export const HELP = `Runs the declared stack on this machine: edge, load balancer and tasks, from the values
that the Pulumi program declares. A development tool; production is AWS.

Usage: npm start -- [options]

  --stack NAME                stack whose Pulumi.NAME.yaml is read (${OPTIONS.stack.default})
  -c, --config KEY=VALUE      a value over that of the stack's file; may be repeated
  --tasks N                   tasks to run, up to the declared maximum (the declared minimum)
  --edge-port PORT            HTTPS and WSS, as CloudFront, or as the load balancer without it
                              (${OPTIONS["edge-port"].default})
  --load-balancer-port PORT   the load balancer itself (${OPTIONS["load-balancer-port"].default})
  --api-gateway-origin URL    WebSocket server of this machine that plays the API Gateway and its
                              stage, such as ws://127.0.0.1:9000/prod
  --api-gateway-port PORT     HTTPS and WSS, as CloudFront in front of it (${OPTIONS["api-gateway-port"].default})
  --json                      one JSON object per line, for programs
  --verbose                   also what the tasks log
  -h, --help                  this text

Port 0 lets the system choose. Ctrl-C stops everything; a second one at once.
`;

/** @throws {UsageError} listing every option that is wrong, or else every word and value, each with what is allowed. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false, // The errors below say more than parseArgs' own.
    allowPositionals: true,
    tokens: true,
  });
  refuse(problemsOf(tokens, OPTIONS));
  const problems = positionals.map(strayWord);

  function wholeNumber(name: "tasks" | PortOption, min: number, max: number): number {
    const text = String(values[name]);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Infinity ? `of ${min} or more` : `from ${min} to ${max}`;
      problems.push(`${dashed(name)} is ${JSON.stringify(text)}, and must be a whole number ${range}.`);
    }
    return value;
  }

  function loopbackUrl(text: string): URL | undefined {
    const url = URL.parse(text);
    if (url !== null && WEB_SCHEMES.includes(url.protocol) && LOOPBACK_HOST.test(url.hostname)) return url;
    problems.push(
      `--api-gateway-origin is ${quoteValue(text)}, and must be the URL of a server of this machine, such as ` +
        "ws://127.0.0.1:9000/prod.",
    );
    return undefined;
  }

  function keyAndValue(text: string): readonly [string, string] {
    const [, key = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === "") problems.push(`--config is ${quoteValue(text)}, and must be KEY=VALUE.`);
    return [key, value];
  }

  const options: Options = {
    stack: String(values.stack),
    tasks: values.tasks === undefined ? undefined : wholeNumber("tasks", 1, Infinity),
    edgePort: wholeNumber("edge-port", 0, MAX_PORT),
    loadBalancerPort: wholeNumber("load-balancer-port", 0, MAX_PORT),
    apiGatewayPort: wholeNumber("api-gateway-port", 0, MAX_PORT),
    apiGatewayOrigin:
      values["api-gateway-origin"] === undefined
        ? undefined
        : loopbackUrl(String(values["api-gateway-origin"])),
    config: Object.fromEntries((values.config ?? []).map((text) => keyAndValue(String(text)))),
    json: values.json === true,
    verbose: values.verbose === true,
    help: values.help === true,
  };
  problems.push(...samePorts(options));
  refuse(problems);
  return options;
}

function samePorts({ edgePort, loadBalancerPort, apiGatewayPort }: Options): readonly string[] {
  const ports = [edgePort, loadBalancerPort, apiGatewayPort].map(
    (port, at) => [PORT_OPTIONS[at], port] as const,
  );
  return ports.flatMap(([name, port], at) =>
    ports
      .slice(0, at)
      .filter(([, other]) => port !== 0 && other === port)
      .map(([other]) => `--${other} and --${name} are both ${port}, and must differ.`),
  );
}

function strayWord(word: string): string {
  const names = Object.keys(OPTIONS);
  const isStack = nearest(word, names) === undefined && STACK_NAME.test(word);
  return `${JSON.stringify(word)} is not an option${isStack ? `; did you mean --stack ${word}?` : suggest(word, names, dashed)}`;
}
