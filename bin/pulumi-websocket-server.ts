#!/usr/bin/env node
/** The command of the npm package. Each of its subcommands is a command of the repository, in the folder of a Pulumi program. */

/** The oldest Node with everything that the commands use, such as AsyncDisposableStack. Pulumi runs the program on an older one too. */
const MIN_NODE = 24;

const COMMANDS: ReadonlyMap<string, () => Promise<unknown>> = new Map([
  ["start", () => import("../local/main.ts")],
  ["token", () => import("../token/main.ts")],
  ["simulate", () => import("../simulate/main.ts")],
  ["load-test", () => import("../load-test/main.ts")],
  ["policy", () => import("../policy/main.ts")],
]);

const USAGE = `Usage: npx pulumi-websocket-server COMMAND [options]

Run it in the folder of your Pulumi program (Pulumi.yaml).

  start      Run what the program declares on this machine
  token      Print a token for such a run
  simulate   Run the declared autoscaler against a load, in virtual time
  load-test  Open and load connections to a server
  policy     Check the declared resources against the rules of the policy pack

npx pulumi-websocket-server COMMAND --help lists the options of a command.
`;

const EXIT_USAGE = 2;

const [name = "", ...args] = process.argv.slice(2);
const load = COMMANDS.get(name);
if (["--help", "-h", "help"].includes(name)) {
  process.stdout.write(USAGE);
} else if (load === undefined) {
  process.stderr.write(name === "" ? USAGE : `\`${name}\`: got an unknown command.\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
} else if (Number(process.versions.node.split(".")[0]) < MIN_NODE) {
  process.stderr.write(
    `Node: got ${process.versions.node}; expected ${MIN_NODE} or later. ` +
      `Fix: \`npx -p node@${MIN_NODE} -p pulumi-websocket-server pulumi-websocket-server ${name}\`\n`,
  );
  process.exitCode = EXIT_USAGE;
} else {
  process.argv.splice(2, Infinity, ...args);
  await load();
}
