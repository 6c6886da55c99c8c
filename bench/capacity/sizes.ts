/** What a task of each Fargate size carries, derived from the costs and from the memory that the configuration reserves. */
import { defaultSettings, settingDefinitions } from "../../app/src/settings/settings.ts";
import { MIB } from "../../app/src/settings/units.ts";
import { memoryChoices } from "../../infra/config/data/fargateSizes.ts";
import { channelBytes } from "../../infra/config/rules/channelMemory.ts";
import { connectionsThatFit, serverBytes } from "../../infra/config/rules/connectionMemory.ts";
import { CPU_UNITS_PER_VCPU, maxCpuShare } from "../../infra/config/rules/taskCapacity.ts";
import { scalingDefinitions } from "../../infra/config/scalingDefinitions.ts";
import type { Costs, MessageCosts } from "./costs.ts";

const CPU_UNITS = [256, 512, 1024, 2048, 4096] as const;
/** Share of the CPU that the figures use: the default target value of the autoscaler. */
const CPU_SHARE = scalingDefinitions.cpuPercent.default / 100;

/** Maximum share of the memory beside the server for channels, if the default number of channels does not fit. */
const CHANNEL_SHARE = 0.6;

export interface Size {
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Full channels beside the connections. */
  readonly channels: number;
  /** Open connections, by memory. */
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
    const { channels, connections } = shareMemory(memoryMiB);
    const available = CPU_SHARE * maxCpuShare({ cpu }) * vcpus;
    // The answers to heartbeats take a part of the CPU before there is a message.
    const heartbeats = (connections * costs.heartbeat) / settingDefinitions.heartbeatSeconds.default;
    const left = Math.max(0, available - heartbeats);
    return {
      vcpus,
      memoryMiB,
      channels,
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

function shareMemory(memoryMiB: number): Pick<Size, "channels" | "connections"> {
  const settings = defaultSettings();
  const task = { memoryMiB, backplane: "valkey" } as const;
  const left = memoryMiB * MIB - serverBytes(settings);
  const channels = Math.min(
    settings.maxChannels,
    Math.floor((CHANNEL_SHARE * left) / channelBytes({ ...task, settings })),
  );
  return {
    channels,
    connections: Math.min(
      settingDefinitions.maxConnections.max,
      connectionsThatFit({ ...task, settings: { ...settings, maxChannels: channels } }),
    ),
  };
}
