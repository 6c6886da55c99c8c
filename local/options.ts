/** The command line of `npm start`. */
import { quoteValue } from "../app/src/settings/definition.ts";
import type { Problem } from "../app/src/settings/problem.ts";
import { commandOf, commandWithArguments } from "../cli/commandNames.ts";
import {
  describeOptions,
  problemWithArgument,
  type OptionDefinitions,
  parseCommandLine,
  parsePair,
  parseWholeNumber,
  problemWithValue,
  assertNoProblems,
} from "../cli/options.ts";
import { PROJECT_OPTIONS, SERVICE_OPTION } from "./evaluation.ts";
import { MAX_SPEED } from "./model/metrics/clock.ts";

export interface LocalOptions {
  /** `undefined`: the repository. */
  readonly cwd: string | undefined;
  /** `undefined`: `dev`, or the only stack. */
  readonly stack: string | undefined;
  /** `undefined`: the only one. */
  readonly service: string | undefined;
  /** `undefined`: as many as the stack declares. */
  readonly tasks: number | undefined;
  /** Speed of the autoscaler's clock. */
  readonly speed: number;
  readonly edgePort: number;
  readonly loadBalancerPort: number;
  readonly apiGatewayPort: number;
  /** WebSocket server of this machine that emulates the API Gateway. */
  readonly apiGatewayOrigin: URL | undefined;
  /** Values that replace those of the stack's file, by key. */
  readonly config: Readonly<Record<string, string>>;
  /** Whether the tasks require tokens of `npm run token`, whatever the stack declares. */
  readonly requiresTokens: boolean;
  /** Whether an image of the program runs in a container even if it has a command. */
  readonly prefersContainers: boolean;
  /** Whether changed sources and stack files are applied to the running stack. */
  readonly watch: boolean;
  /** `undefined`: {@link DASHBOARD_PORT}, or the next free port. */
  readonly dashboardPort: number | undefined;
  readonly hasDashboard: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

const PORT_OPTIONS = ["edge-port", "load-balancer-port", "api-gateway-port", "dashboard-port"] as const;
const MAX_PORT = 65_535;
export const DASHBOARD_PORT = 8090;
/** The local stack connects to this machine only. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const WEB_SCHEMES = ["ws:", "wss:", "http:", "https:"];

export const OPTIONS = {
  ...PROJECT_OPTIONS,
  service: SERVICE_OPTION,
  config: {
    type: "string",
    short: "c",
    multiple: true,
    value: "KEY=VALUE",
    description: "Overrides a key of the stack file; can be repeated",
  },
  tasks: {
    type: "string",
    value: "N",
    description:
      "Tasks to start, up to the declared maximum (default the declared minimum);\nthe autoscaler changes their number",
  },
  speed: {
    type: "string",
    value: "N",
    default: "1",
    description: `Speed of the autoscaler's clock, 1 to ${MAX_SPEED}: with 60, a minute of its metrics,\nalarms, cooldowns and scheduled actions takes a second`,
  },
  "edge-port": {
    type: "string",
    value: "PORT",
    default: "8443",
    description: "HTTPS and WSS of CloudFront, or of the load balancer\nif the stack has no distribution",
  },
  "load-balancer-port": {
    type: "string",
    value: "PORT",
    default: "8081",
    description: "The load balancer behind CloudFront",
  },
  "api-gateway-origin": {
    type: "string",
    value: "URL",
    description:
      "WebSocket server of this machine that emulates the API Gateway\nand its stage, such as ws://127.0.0.1:9000/prod",
  },
  "api-gateway-port": {
    type: "string",
    value: "PORT",
    default: "8444",
    description: "HTTPS and WSS of CloudFront in front of the API Gateway",
  },
  tokens: {
    type: "boolean",
    description: `Require tokens of \`${commandOf("token")}\`, whatever access the stack declares`,
  },
  docker: {
    type: "boolean",
    description: "Run an image of the program in Docker or Podman, also if it has a command",
  },
  watch: {
    type: "boolean",
    description:
      "Apply changes of app/, console/, client/, infra/ and the stack files, or of the project\nof --cwd, while the stack runs (default in a terminal)",
  },
  "no-watch": { type: "boolean", description: "Ignore such changes" },
  "dashboard-port": {
    type: "string",
    value: "PORT",
    description: `The page that shows the stack and applies faults\n(default ${DASHBOARD_PORT}, or the next free port)`,
  },
  "no-dashboard": { type: "boolean", description: "Start without the page" },
  json: { type: "boolean", description: "Print one JSON object per line, for programs" },
  verbose: { type: "boolean", description: "Print the tasks' output too" },
  help: { type: "boolean", short: "h", description: "Print this help" },
} as const satisfies OptionDefinitions;

export const HELP = `Runs the declared stack on this machine: edge, load balancer and tasks, with the values
that the Pulumi program declares. It is a development tool; production is AWS.

Usage: ${commandWithArguments("start")} [options]

${describeOptions(OPTIONS)}

With port 0, the system chooses a port. In a terminal, keys apply faults, such as k for killing a task; ? lists them.
Ctrl-C stops everything in order; a second Ctrl-C kills the tasks.
`;

/**
 * @param isTerminal whether the output is a terminal.
 * @returns `undefined` if the arguments contain `--help`.
 * @throws {UsageError} that lists every option that is wrong, or else every wrong value, each with what is expected.
 */
export function parseOptions(args: readonly string[], isTerminal = false): LocalOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, positionals } = commandLine;
  const problems = positionals.map((argument) => problemWithArgument(argument, OPTIONS));

  const parsePort = (name: (typeof PORT_OPTIONS)[number]): number =>
    parseWholeNumber(name, values[name] ?? "", { min: 0, max: MAX_PORT }, problems);

  function parseLoopbackUrl(text: string): URL | undefined {
    const url = URL.parse(text);
    if (url !== null && WEB_SCHEMES.includes(url.protocol) && LOOPBACK_HOST.test(url.hostname)) return url;
    const expected = "the URL of a server of this machine, such as ws://127.0.0.1:9000/prod";
    problems.push(problemWithValue("api-gateway-origin", quoteValue(text), expected));
    return undefined;
  }

  const { tasks, "api-gateway-origin": apiGatewayOrigin } = values;
  const options: LocalOptions = {
    cwd: values.cwd,
    stack: values.stack,
    service: values.service,
    tasks: tasks === undefined ? undefined : parseWholeNumber("tasks", tasks, { min: 1 }, problems),
    speed: parseWholeNumber("speed", values.speed, { min: 1, max: MAX_SPEED }, problems),
    edgePort: parsePort("edge-port"),
    loadBalancerPort: parsePort("load-balancer-port"),
    apiGatewayPort: parsePort("api-gateway-port"),
    apiGatewayOrigin: apiGatewayOrigin === undefined ? undefined : parseLoopbackUrl(apiGatewayOrigin),
    config: Object.fromEntries(values.config.map((text) => parsePair("config", text, problems))),
    requiresTokens: values.tokens,
    prefersContainers: values.docker,
    watch: values.watch || (isTerminal && !values.json && !values["no-watch"]),
    dashboardPort: values["dashboard-port"] === undefined ? undefined : parsePort("dashboard-port"),
    hasDashboard: !values["no-dashboard"],
    json: values.json,
    verbose: values.verbose,
  };
  if (values.watch && values["no-watch"]) {
    problems.push(problemWithValue("no-watch", "--watch too", "one of them"));
  }
  problems.push(...findEqualPorts(options));
  assertNoProblems(problems);
  return options;
}

function findEqualPorts(options: LocalOptions): readonly Problem[] {
  const { edgePort, loadBalancerPort, apiGatewayPort, dashboardPort = 0 } = options;
  const ports = [edgePort, loadBalancerPort, apiGatewayPort, dashboardPort];
  return PORT_OPTIONS.flatMap((name, at) =>
    PORT_OPTIONS.slice(0, at)
      .filter((_, other) => ports[at] !== 0 && ports[other] === ports[at])
      .map((other) => problemWithValue(name, `${ports[at] ?? ""}, as --${other}`, "another port")),
  );
}
