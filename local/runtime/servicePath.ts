/** The path to the service: edge, load balancer, tasks, and their backplane. */
import { describeError, ExpectedError } from "../../app/src/settings/expectedError.ts";
import { toEnvironment } from "../../app/src/settings/environment.ts";
import type { AccessSettings } from "../../app/src/settings/settings.ts";
import { type RunningBackplane, startBackplane } from "./backplane.ts";
import type { EmitEvent, StackUrls } from "../events.ts";
import type { Limitation } from "../model/coverage.ts";
import { type IngressOptions, startIngress } from "./ingress.ts";
import { redirectToBackplane } from "../model/backplane.ts";
import type { PartChange } from "../model/changes.ts";
import type { ServicePath } from "../model/parts.ts";
import { accelerateMetricsLog } from "../model/metrics/clock.ts";
import { createTaskMetrics } from "../model/metrics/taskMetrics.ts";
import type { DeclaredContainer } from "../model/container.ts";
import type { DeclaredService } from "../model/service.ts";
import { type Autoscaler, createAutoscaler, startClock } from "./scaling/autoscaler.ts";
import { meterFor } from "./scaling/meter.ts";
import type { Revision } from "./tasks/deployments.ts";
import { CAN_MEASURE_CPU } from "./tasks/cpuTime.ts";
import { type Program, prepareProgram } from "./tasks/program.ts";
import { createTargets } from "./tasks/targets.ts";
import { startTasks, type Tasks } from "./tasks/tasks.ts";

export interface ServicePathOptions extends IngressOptions {
  /** Path of the program that emulates the backplane. `undefined`: the stand-in for Valkey. */
  readonly valkeyServer: string | undefined;
  /** The file of our server. */
  readonly entry: string;
  /** Path of Docker or Podman; `undefined` if the machine has neither. */
  readonly containerEngine?: string | undefined;
  /** Whether an image runs in a container even if it has a command. @default false */
  readonly prefersContainers?: boolean | undefined;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Settings that replace the declared ones of our server. @default none */
  readonly tokenSettings?: AccessSettings | undefined;
  /** Minutes of the autoscaler in a real minute. */
  readonly speed: number;
  readonly emit: EmitEvent;
}

/** A change of a running stack. Absent values do not change. */
export interface ServicePathUpdate {
  readonly path?: ServicePath | undefined;
  /** How `path` differs from the running one. */
  readonly changes: readonly PartChange[];
  /** The file of our server. */
  readonly entry?: string | undefined;
  /** Whether files of the user's image have changed. @default false */
  readonly hasImageChanged?: boolean | undefined;
  /** The files that the user has changed, such as `app/src/server.ts`. */
  readonly files: readonly string[];
}

export interface RunningServicePath {
  readonly urls: StackUrls;
  readonly tasks: Tasks;
  /** `undefined` if the stack declares none. */
  readonly backplane: RunningBackplane | undefined;
  /** Deploys the next generation of the origin secret; `undefined` if the stack has none. */
  readonly rotateSecret: (() => Promise<void>) | undefined;
  /** `undefined` if the stack does not declare autoscaling. */
  readonly autoscaler: Autoscaler | undefined;
  /** Changes rules, attributes and thresholds in place, and the container and the server by a rolling deployment. */
  update(update: ServicePathUpdate): void;
  /** Stops the tasks, then the load balancer, the edge and the backplane. */
  close(): Promise<void>;
}

/** @throws {ExpectedError} if a port is taken, or a part refers to a missing one. Nothing is left running then. */
export async function startServicePath(
  path: ServicePath,
  options: ServicePathOptions,
): Promise<RunningServicePath> {
  const { baseEnvironment, emit } = options;
  let { entry } = options;
  const targets = new Map(path.targetGroups.map((group) => [group.arn, createTargets(group)]));
  const serviceTargets = targets.get(path.service.targetGroupArn);
  if (serviceTargets === undefined) {
    throw new ExpectedError(
      `${path.service.name}: the program does not declare the target group of its tasks.`,
    );
  }

  await using starting = new AsyncDisposableStack();
  const backplane = path.backplane && (await startBackplane(path.backplane, options.valkeyServer, emit));
  if (backplane !== undefined) starting.defer(() => backplane.close());
  const ingress = await startIngress(path, targets, options);
  starting.defer(() => ingress.close());

  const adapt = (next: ServicePath): DeclaredService => adaptService(next, backplane, options);
  const service = adapt(path);
  const prepare = (container: DeclaredContainer): Promise<Program> =>
    prepareProgram(container, {
      entry,
      containerEngine: options.containerEngine,
      prefersContainers: options.prefersContainers ?? false,
    });
  const program = await prepare(service.container);
  for (const limitation of limitationsOfProgram(program, path)) emit({ event: "unsupported", ...limitation });
  const metrics = createTaskMetrics();
  const tasks = startTasks({
    service,
    targets: serviceTargets,
    program,
    baseEnvironment,
    meter: meterFor(metrics),
    emit,
  });
  const autoscaler =
    path.scaling &&
    createAutoscaler(
      {
        scaling: path.scaling,
        cpuUnits: service.cpuUnits,
        metrics,
        targets: serviceTargets,
        tasks,
        emit,
      },
      Date.now(),
    );
  const stopClock = autoscaler && startClock(autoscaler, options.speed);
  /** What is declared now. After a rollback, the tasks run something else. */
  let declared: Revision = { container: service.container, program };

  function deploy(next: Revision, files: readonly string[]): void {
    declared = next;
    tasks.deploy(declared, files);
  }

  function deployContainer(container: DeclaredContainer, files: readonly string[]): void {
    if (container.image === undefined) {
      deploy({ container, program: { type: "server", entry } }, files);
      return;
    }
    prepare(container).then(
      (next) => {
        deploy({ container, program: next }, files);
      },
      (error: unknown) => {
        emit({ event: "change-rejected", files, message: describeError(error) });
      },
    );
  }

  function updatePath(next: ServicePath, changes: readonly PartChange[]): DeclaredContainer | undefined {
    const has = (...parts: readonly string[]): boolean =>
      changes.some(({ part, apply }) => apply !== "restart" && parts.includes(part));
    if (has("edge", "load balancer")) ingress.update(next);
    for (const group of next.targetGroups) targets.get(group.arn)?.update(group);
    const updated = adapt(next);
    if (has("service")) tasks.update(updated);
    if (has("service", "scaling") && next.scaling !== undefined) {
      autoscaler?.update({ scaling: next.scaling, cpuUnits: updated.cpuUnits });
    }
    return has("container") ? updated.container : undefined;
  }

  const others = starting.move();
  return {
    urls: ingress.urls,
    tasks,
    backplane,
    rotateSecret: ingress.rotateSecret,
    autoscaler,
    update({ path: next, changes, entry: file, hasImageChanged = false, files }) {
      const container = next && updatePath(next, changes);
      entry = file ?? entry;
      const { image } = container ?? declared.container;
      const hasChanged = image === undefined ? file !== undefined : hasImageChanged;
      if (container !== undefined || hasChanged) deployContainer(container ?? declared.container, files);
    },
    async close() {
      stopClock?.();
      // The tasks stop first: their last messages pass the backplane, the load balancer and the edge.
      await tasks.close();
      await others.disposeAsync();
    },
  };
}

/** What a program of the user lacks here. */
function limitationsOfProgram(program: Program, { scaling }: ServicePath): readonly Limitation[] {
  const cpuPolicies =
    scaling?.policies.filter(({ metric }) => metric === "CPU").map(({ name }) => name) ?? [];
  const hasCpu = program.type === "server" || (program.type === "command" && CAN_MEASURE_CPU);
  return [
    ...(hasCpu || cpuPolicies.length === 0
      ? []
      : [
          {
            types: ["aws:appautoscaling/policy:Policy"],
            names: cpuPolicies,
            reason: "this machine does not report the CPU time of the tasks",
          },
        ]),
  ];
}

/** The user of `npm start` can set secrets that only AWS has. */
function valuesOfMissingSecrets({ missingSecrets }: DeclaredContainer): Readonly<Record<string, string>> {
  const entries = missingSecrets.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** The service with the address of the running backplane, the interval of the metrics, and the tokens, in its environment. */
function adaptService(
  { service, backplane }: ServicePath,
  running: RunningBackplane | undefined,
  { speed, tokenSettings }: Pick<ServicePathOptions, "speed" | "tokenSettings">,
): DeclaredService {
  const { container } = service;
  const accelerated = accelerateMetricsLog(container.environment, speed);
  const redirected =
    running === undefined || backplane === undefined
      ? accelerated
      : redirectToBackplane(accelerated, backplane, running.address);
  const replaced = container.image === undefined ? toEnvironment(tokenSettings ?? {}) : {};
  const environment = { ...redirected, ...valuesOfMissingSecrets(container), ...replaced };
  return { ...service, container: { ...container, environment } };
}
