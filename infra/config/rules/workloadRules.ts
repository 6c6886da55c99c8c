/** Rules between the keys of the workload: values that are legal each by itself, and not together. */
import { contradictions } from "../../../app/src/settings/relations.ts";
import type { SettingName } from "../../../app/src/settings/settings.ts";
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import type { Change, Problem } from "../../../app/src/settings/problem.ts";
import { cacheBytes, cacheMibThatFits } from "./cacheMemory.ts";
import type { ServiceConfig } from "../serviceConfig.ts";
import { CHANNEL_BYTES, CONNECTION_BYTES, connectionsThatFit, serverBytes } from "./connectionMemory.ts";
import { memoryChoices } from "../data/fargateSizes.ts";
import { checkOwnScaling, checkScaling } from "./scalingRules.ts";
import type { ScalingConfig } from "./scalingRules.ts";
import { checkSchedules } from "./scheduleRules.ts";
import { checkTimeouts } from "./timeouts.ts";

type KeyOf = (name: string) => string;

/** The keys from which the program derives a setting. */
const KEYS: Readonly<Partial<Record<SettingName, string>>> = {
  cacheMib: "cacheMiB",
  valkeyBudgetMib: "backplaneMaxGB",
};

/** What the rules of the workload compare. */
export type Workload = ScalingConfig &
  Pick<
    ServiceConfig,
    | "minTasks"
    | "maxTasks"
    | "backplane"
    | "cpu"
    | "memoryMiB"
    | "idleTimeoutSeconds"
    | "stopTimeoutSeconds"
    | "scheduledScaling"
    | "settings"
  >;

/**
 * Returns a problem for each rule that the keys of the workload break.
 * @param keyOf adds the namespace to a key.
 */
export function checkWorkload(config: Workload, keyOf: KeyOf): readonly Problem[] {
  const { settings } = config;
  return [
    ...checkTasks(config, keyOf),
    ...checkScaling(config, keyOf),
    ...checkSchedules(config, keyOf),
    ...checkMemory(config, keyOf),
    ...checkKeySet(settings, keyOf),
    ...contradictions(settings, (name) => keyOf(KEYS[name] ?? name)),
    ...checkTimeouts(
      { ...config, heartbeatSeconds: settings.heartbeatSeconds, drainSeconds: settings.drainSeconds },
      keyOf,
    ),
  ];
}

/** As {@link checkWorkload}, for another server than ours, of which several tasks can run without a backplane. */
export function checkOwnWorkload(config: Workload, keyOf: KeyOf): readonly Problem[] {
  const anyTasks = { ...config, backplane: "valkey" } as const;
  return [
    ...checkTasks(anyTasks, keyOf),
    ...checkOwnScaling(config, keyOf),
    ...checkSchedules(anyTasks, keyOf),
    ...checkSize(config, keyOf),
  ];
}

function checkTasks(
  { minTasks, maxTasks, backplane }: Pick<ServiceConfig, "minTasks" | "maxTasks" | "backplane">,
  keyOf: KeyOf,
): readonly Problem[] {
  const problems: Problem[] = [];
  if (minTasks > maxTasks) {
    problems.push({
      key: keyOf("minTasks"),
      got: String(minTasks),
      expected: `at most ${keyOf("maxTasks")} (${maxTasks})`,
      // The memory backplane allows one task.
      fix: [backplane === "memory" ? set(keyOf("minTasks"), maxTasks) : set(keyOf("maxTasks"), minTasks)],
    });
  }
  if (backplane === "memory" && maxTasks > 1) {
    problems.push({
      key: keyOf("backplane"),
      got: `memory, which tasks do not share, with ${keyOf("maxTasks")} ${maxTasks}`,
      expected: `valkey, or ${keyOf("maxTasks")} 1`,
      fix: [set(keyOf("backplane"), "valkey")],
    });
  }
  return problems;
}

function checkMemory(
  config: Pick<ServiceConfig, "cpu" | "memoryMiB" | "backplane" | "settings">,
  keyOf: KeyOf,
): readonly Problem[] {
  const wrongSize = checkSize(config, keyOf);
  if (wrongSize.length > 0) return wrongSize;
  const cache = checkCache(config, keyOf);
  // The memory that remains for connections is known only if the recent messages fit.
  return cache.length > 0 ? cache : checkConnections(config, memoryChoices(config.cpu), keyOf);
}

function checkSize(
  { cpu, memoryMiB }: Pick<ServiceConfig, "cpu" | "memoryMiB">,
  keyOf: KeyOf,
): readonly Problem[] {
  const sizes = memoryChoices(cpu);
  const [smallest] = sizes;
  if (sizes.includes(memoryMiB) || smallest === undefined) return [];
  return [
    {
      key: keyOf("memoryMiB"),
      got: String(memoryMiB),
      expected: `one of ${sizes.join(", ")}, the sizes that Fargate offers for ${keyOf("cpu")} ${cpu}`,
      fix: [set(keyOf("memoryMiB"), sizes.findLast((size) => size <= memoryMiB) ?? smallest)],
    },
  ];
}

function checkCache(
  config: Pick<ServiceConfig, "memoryMiB" | "backplane" | "settings">,
  keyOf: KeyOf,
): readonly Problem[] {
  const { memoryMiB, backplane, settings } = config;
  const most = cacheMibThatFits(memoryMiB * MIB - serverBytes(settings), backplane);
  if (settings.cacheMib <= most) return [];
  return [
    {
      key: keyOf("cacheMiB"),
      got: String(settings.cacheMib),
      expected:
        `${describeMost(most)}: it takes up to ${inMiB(cacheBytes(config))} MiB of ${keyOf("memoryMiB")} ${memoryMiB}, and ` +
        `the server with ${keyOf("maxPayloadBytes")} ${settings.maxPayloadBytes} up to ${inMiB(serverBytes(settings))} MiB`,
      fix: most === 0 ? [{ ask: keyOf("memoryMiB") }] : [set(keyOf("cacheMiB"), most)],
    },
  ];
}

/** @param sizes the memory that a task can have, in MiB. */
function checkConnections(
  config: Pick<ServiceConfig, "memoryMiB" | "backplane" | "settings">,
  sizes: readonly number[],
  keyOf: KeyOf,
): readonly Problem[] {
  const { memoryMiB, settings } = config;
  const { maxConnections, maxChannels, maxPayloadBytes } = settings;
  const most = connectionsThatFit(config);
  if (maxConnections <= most) return [];
  const larger = sizes.find((size) => connectionsThatFit({ ...config, memoryMiB: size }) >= maxConnections);
  return [
    {
      key: keyOf("maxConnections"),
      got: String(maxConnections),
      expected:
        `${describeMost(most)}: of ${keyOf("memoryMiB")} ${memoryMiB}, ${keyOf("cacheMiB")} ${settings.cacheMib} takes up to ` +
        `${inMiB(cacheBytes(config))} MiB, ${keyOf("maxChannels")} ${maxChannels} up to ${inMiB(maxChannels * CHANNEL_BYTES)} ` +
        `MiB, the server with ${keyOf("maxPayloadBytes")} ${maxPayloadBytes} up to ${inMiB(serverBytes(settings))} MiB, and ` +
        `each connection ${CONNECTION_BYTES / KIB} KiB`,
      fix:
        most === 0 && larger !== undefined
          ? [set(keyOf("memoryMiB"), larger)]
          : [set(keyOf("maxConnections"), most)],
    },
  ];
}

function inMiB(bytes: number): number {
  return Math.ceil(bytes / MIB);
}

function describeMost(most: number): string {
  return most === 0 ? "less, because not even one fits" : `at most ${most}`;
}

/** The security group of the tasks allows HTTPS on port 443 only. */
function checkKeySet({ jwksUrl }: ServiceConfig["settings"], keyOf: KeyOf): readonly Problem[] {
  if (jwksUrl === "" || jwksUrl === onPort443(jwksUrl)) return [];
  return [
    {
      key: keyOf("jwksUrl"),
      got: JSON.stringify(jwksUrl),
      expected: "https:// without a port, because tasks can connect to port 443 only",
      fix: [set(keyOf("jwksUrl"), onPort443(jwksUrl))],
    },
  ];
}

function onPort443(url: string): string {
  const target = new URL(url);
  // A URL with the default port has an empty `port`.
  if (target.protocol === "https:" && target.port === "") return url;
  target.port = "";
  target.protocol = "https:";
  return target.href;
}

function set(key: string, to: string | number): Change {
  return { set: key, to: String(to) };
}
