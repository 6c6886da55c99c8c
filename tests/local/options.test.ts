import assert from "node:assert/strict";
import path from "node:path";
import { findProject } from "../../local/evaluation.ts";
import { parseOptions } from "../../local/options.ts";

describe("the options of npm start", () => {
  it("have defaults", () => {
    assert.deepEqual(parseOptions([]), {
      cwd: undefined,
      stack: undefined,
      service: undefined,
      tasks: undefined,
      speed: 1,
      edgePort: 8443,
      loadBalancerPort: 8081,
      apiGatewayPort: 8444,
      apiGatewayOrigin: undefined,
      config: {},
      requiresTokens: false,
      prefersContainers: false,
      watch: false,
      dashboardPort: undefined,
      hasDashboard: true,
      json: false,
      verbose: false,
    });
  });

  it("are parsed", () => {
    const args = [
      "--cwd examples/one --stack prod --service chat --tasks 3 --speed 60 --edge-port=0 --load-balancer-port 90 --json --verbose",
      "--docker --tokens --no-dashboard --dashboard-port 92 --api-gateway-port 91 --api-gateway-origin ws://[::1]:9000/prod",
      "-c edge=load-balancer --config aws:profile=a=b --config domain=",
    ]
      .join(" ")
      .split(" ");
    assert.deepEqual(parseOptions(args), {
      cwd: "examples/one",
      stack: "prod",
      service: "chat",
      tasks: 3,
      speed: 60,
      edgePort: 0,
      loadBalancerPort: 90,
      apiGatewayPort: 91,
      apiGatewayOrigin: new URL("ws://[::1]:9000/prod"),
      config: { edge: "load-balancer", "aws:profile": "a=b", domain: "" },
      requiresTokens: true,
      prefersContainers: true,
      watch: false,
      dashboardPort: 92,
      hasDashboard: false,
      json: true,
      verbose: true,
    });
  });

  it("watch in a terminal, unless the output is JSON or --no-watch is given", () => {
    const watches = (args: string, isTerminal: boolean): boolean | undefined =>
      parseOptions(
        args.split(" ").filter((arg) => arg !== ""),
        isTerminal,
      )?.watch;
    assert.deepEqual(
      [watches("", true), watches("--json", true), watches("--no-watch", true), watches("", false)],
      [true, false, false, false],
    );
    assert.deepEqual([watches("--watch", false), watches("--json --watch", true)], [true, true]);
  });

  it("are refused with the expected values", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["prod", "`prod`: got an unknown argument; expected an option (did you mean --stack prod?)."],
      ["tasks", "`tasks`: got an unknown argument; expected a known option (did you mean --tasks?)."],
      ["3", "`3`: got an unknown argument; expected one of --cwd, --stack, --service, "],
      ["--tasks 0", '`--tasks`: got "0"; expected a whole number, 1 or more.'],
      ["--speed 61", '`--speed`: got "61"; expected a whole number from 1 to 60.'],
      ["--tasks 1.5", '`--tasks`: got "1.5"; expected'],
      ["--tasks", "`--tasks`: got nothing; expected a value."],
      ["--tasks --json", "`--tasks`: got nothing; expected a value."],
      ["--tasks -1", '`--tasks`: got "-1"; expected a whole number, 1 or more.'],
      ["--edge-port 65536", '`--edge-port`: got "65536"; expected a whole number from 0 to 65535.'],
      ["--watch --no-watch", "`--no-watch`: got --watch too; expected one of them."],
      ["--json=yes", '`--json`: got "yes"; expected no value.'],
      [
        "--edge-port 9 --load-balancer-port 9",
        "`--load-balancer-port`: got 9, as --edge-port; expected another port.",
      ],
      [
        "--dashboard-port 9 --edge-port 9",
        "`--dashboard-port`: got 9, as --edge-port; expected another port.",
      ],
      [
        "--api-gateway-port 9 --edge-port 9",
        "`--api-gateway-port`: got 9, as --edge-port; expected another port.",
      ],
      [
        "--api-gateway-origin wss://abcdef1234.example/prod",
        '`--api-gateway-origin`: got "wss://abcdef1234.example/prod"; expected',
      ],
      [
        "--api-gateway-origin 127.0.0.1:9000",
        '`--api-gateway-origin`: got "127.0.0.1:9000"; expected the URL of',
      ],
      ["--config edge", '`--config`: got "edge"; expected KEY=VALUE.'],
      ["-x", "`-x`: got an unknown option; expected "],
    ];
    assert.throws(() => parseOptions(["--taks", "3"]), {
      message: "`--taks`: got an unknown option; expected a known option (did you mean --tasks?).",
    });
    assert.equal(parseOptions(["--help", "--taks"]), undefined);
    for (const [line, message] of cases) {
      assert.throws(
        () => parseOptions(line.split(" ")),
        (error: Error) => error.message.startsWith(message),
        line,
      );
    }
  });

  it("rejects a folder that does not exist, and one without a project", () => {
    const missing = path.join(import.meta.dirname, "missing");
    assert.throws(() => findProject({ cwd: missing }), {
      message: `\`--cwd\`: got ${missing}, which does not exist; expected the folder of a Pulumi project.`,
    });
    assert.throws(() => findProject({ cwd: import.meta.dirname }), { message: / has no Pulumi\.yaml; / });
  });
});
