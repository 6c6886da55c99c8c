/**
 * A stand-in for `pulumi-language-nodejs`, which runs a Node.js program for the engine. It starts the runner of the SDK,
 * `@pulumi/pulumi/cmd/run`, with the same arguments and environment. The CLI therefore runs the real Pulumi.yaml and index.ts.
 *
 * Source: pulumi/pulumi, sdk/nodejs/cmd/pulumi-language-nodejs/main.go, methods Run, constructArguments and
 * constructConfig. For other methods gRPC returns UNIMPLEMENTED, which the engine accepts.
 *
 * Run as `node languageHost.ts ENGINE_ADDRESS`; it prints its port.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import service from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";

/** Exit code of the runner if it has already printed the error. */
const ALREADY_REPORTED = 32;

const engine = process.argv.at(-1) ?? "";

/** Child processes, which end with this process. */
const children = new Set<ChildProcess>();

function owned<Child extends ChildProcess>(child: Child): Child {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

async function run(request: messages.RunRequest): Promise<messages.RunResponse> {
  const info = request.getInfo();
  if (info === undefined) throw new Error("The engine sent no program.");
  const directory = info.getProgramDirectory();
  const options = info.getOptions()?.toJavaScript() ?? {};

  const runner = createRequire(join(directory, "package.json")).resolve("@pulumi/pulumi/cmd/run/index.js");
  const flags = {
    monitor: request.getMonitorAddress(),
    engine,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info.getRootDirectory(),
    stack: request.getStack(),
    pwd: directory,
    parallel: String(request.getParallel()),
  };
  const program = owned(
    spawn(
      process.execPath,
      [
        runner,
        ...Object.entries(flags).flatMap(([flag, value]) => (value === "" ? [] : [`--${flag}`, value])),
        ...(request.getDryrun() ? ["--dry-run"] : []),
        info.getEntryPoint(),
        ...request.getArgsList(),
      ],
      {
        stdio: ["ignore", "inherit", "inherit"],
        env: {
          ...process.env,
          PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
          PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
          // Makes the runner load ts-node, unless Pulumi.yaml has `typescript: false`.
          ...(options["typescript"] !== false && { PULUMI_NODEJS_TYPESCRIPT: "true" }),
        },
      },
    ),
  );
  const [code] = (await once(program, "exit")) as [number | null];

  const response = new messages.RunResponse();
  if (code === ALREADY_REPORTED) response.setBail(true);
  else if (code !== 0) response.setError(`Program exited with non-zero exit code: ${String(code)}`);
  return response;
}

/**
 * Starts a policy pack or a provider and forwards its output, which begins with its port, until the engine cancels the call.
 *
 * Source: as above, method RunPlugin, without the proxy for the configuration of the stack.
 */
function runPlugin(
  call: grpc.ServerWritableStream<messages.RunPluginRequest, messages.RunPluginResponse>,
): void {
  const directory = call.request.getInfo()?.getProgramDirectory() ?? "";
  const isPolicyPack = call.request.getKind() === "analyzer";
  const { resolve } = createRequire(join(directory, "package.json"));
  const own = call.request.getArgsList();
  const args = isPolicyPack
    ? [resolve("@pulumi/pulumi/cmd/run-policy-pack/index.js"), ...own, directory]
    : [resolve("@pulumi/pulumi/cmd/run-plugin/index.js"), directory, ...own];
  const child = owned(
    spawn(process.execPath, args, {
      cwd: isPolicyPack ? directory : call.request.getPwd(),
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  child.stdout.on("data", (chunk: Buffer) => call.write(new messages.RunPluginResponse().setStdout(chunk)));
  child.stderr.on("data", (chunk: Buffer) => call.write(new messages.RunPluginResponse().setStderr(chunk)));
  child.on("close", (code) => {
    call.write(new messages.RunPluginResponse().setExitcode(code ?? 1));
    call.end();
  });
  call.on("cancelled", () => child.kill());
}

// Ends this process if the engine is killed and cannot cancel the call.
process.stdin.resume().once("end", () => process.exit());
process.once("exit", () => {
  for (const child of children) child.kill();
});

const server = new grpc.Server();
server.addService(service.LanguageRuntimeService, {
  getPluginInfo: (_call: unknown, reply: grpc.sendUnaryData<plugin.PluginInfo>) => {
    const info = new plugin.PluginInfo();
    info.setVersion("1.0.0");
    reply(null, info);
  },
  getRequiredPlugins: (_call: unknown, reply: grpc.sendUnaryData<messages.GetRequiredPluginsResponse>) => {
    reply(null, new messages.GetRequiredPluginsResponse());
  },
  run: (
    call: grpc.ServerUnaryCall<messages.RunRequest, messages.RunResponse>,
    reply: grpc.sendUnaryData<messages.RunResponse>,
  ) => {
    run(call.request).then(
      (response) => {
        reply(null, response);
      },
      (error: unknown) => {
        reply(error instanceof Error ? error : new Error(String(error)));
      },
    );
  },
  runPlugin,
  // The dependencies of the repository are installed.
  installDependencies: (call: grpc.ServerWritableStream<unknown, messages.InstallDependenciesResponse>) => {
    call.end();
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
