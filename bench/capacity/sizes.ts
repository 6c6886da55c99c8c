/** What a task of each Fargate size carries, derived from the costs and from the memory that the configuration reserves. */
import { defaultSettings, settingDefinitions } from "../../app/src/settings/settings.ts";
import { memoryChoices } from "../../infra/config/data/fargateSizes.ts";
import { defaultCacheMib } from "../../infra/config/rules/cacheMemory.ts";
import { connectionsThatFit } from "../../infra/config/rules/connectionMemory.ts";
import { CPU_UNITS_PER_VCPU, maxCpuShare } from "../../infra/config/rules/taskCapacity.ts";
import { scalingDefinitions } from "../../infra/config/scalingDefinitions.ts";
import type { Costs, MessageCosts } from "./costs.ts";

const CPU_UNITS = [256, 512, 1024, 2048, 4096] as const;
/** Share of the CPU that the figures use: the default target value of the autoscaler. */
const CPU_SHARE = scalingDefinitions.cpuPercent.default / 100;

export interface Size {
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Memory for the recent messages of all channels, by default. */
  readonly cacheMib: number;
  /** Open connections with a channel each, by memory. */
  readonly connections: number;
  /** New connections per second. */
  readonly handshakes: number;
  /** Per second: messages that one client receives, and deliveries to many clients. */
  readonly alone: Rates;
  readonly together: Rates;
}

export interface Rates {
  readonly messages: number;
  readonly deliveries: number;
}

/** The sizes with the smallest memory that Fargate offers for their CPU. */
export function describeSizes(costs: Costs): readonly Size[] {
  return CPU_UNITS.map((cpu) => {
    const vcpus = cpu / CPU_UNITS_PER_VCPU;
    const [memoryMiB = 0] = memoryChoices(cpu);
    const { cacheMib, connections } = shareMemory(memoryMiB);
    const available = CPU_SHARE * maxCpuShare({ cpu }) * vcpus;
    // The answers to heartbeats take a part of the CPU before there is a message.
    const heartbeats = (connections * costs.heartbeat) / settingDefinitions.heartbeatSeconds.default;
    const left = Math.max(0, available - heartbeats);
    return {
      vcpus,
      memoryMiB,
      cacheMib,
      connections,
      handshakes: left / costs.handshake,
      alone: ratesOf(costs.alone, left),
      together: ratesOf(costs.together, left),
    };
  });
}

/** @param cpu available CPU seconds per second. */
function ratesOf({ message, delivery }: MessageCosts, cpu: number): Rates {
  return { messages: cpu / message, deliveries: cpu / delivery };
}

function shareMemory(memoryMiB: number): Pick<Size, "cacheMib" | "connections"> {
  const task = { memoryMiB, backplane: "valkey" } as const;
  const settings = { ...defaultSettings(), cacheMib: defaultCacheMib(task) };
  return {
    cacheMib: settings.cacheMib,
    connections: Math.min(settingDefinitions.maxConnections.max, connectionsThatFit({ ...task, settings })),
  };
}
