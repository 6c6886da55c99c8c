/** The built-in loads. */
import type { Load, LoadMinute } from "./load.ts";

const HOUR_MINUTES = 60;
/** Messages that a connection receives in a minute. */
const MESSAGES_PER_CONNECTION = 1;
/** Time in which all clients connect again after a loss. */
const RECONNECT_MINUTES = 2;

/** All clients lose their connection at once. */
interface Loss {
  readonly hour: number;
  /** Time until the first clients connect again. */
  readonly awayMinutes: number;
}

interface Profile {
  readonly description: string;
  /** The connections at certain hours, as a share of the peak. Between them, the number is linear. */
  readonly points: readonly (readonly [hour: number, share: number])[];
  /** Average time for which a client stays connected. */
  readonly lifetimeMinutes: number;
  readonly losses?: readonly Loss[];
}

export const PROFILES = {
  "launch-spike": {
    description: "6 hours: 20 times as many clients within 10 minutes",
    points: [
      [0, 0.05],
      [1, 0.05],
      [1.17, 1],
      [2, 0.9],
      [4, 0.3],
      [6, 0.2],
    ],
    lifetimeMinutes: 20,
  },
  "office-day": {
    description: "a day: clients from 7 to 19 o'clock, with a dip at noon",
    points: [
      [0, 0.03],
      [6.5, 0.03],
      [9, 0.9],
      [11, 1],
      [12.5, 0.75],
      [14, 1],
      [16.5, 0.9],
      [19, 0.1],
      [24, 0.03],
    ],
    lifetimeMinutes: 60,
  },
  "reconnect-storm": {
    description: "4 hours: all clients lose their connection, for a moment and for 20 minutes",
    points: [
      [0, 0.9],
      [4, 0.9],
    ],
    lifetimeMinutes: 240,
    losses: [
      { hour: 1, awayMinutes: 0 },
      { hour: 2, awayMinutes: 20 },
    ],
  },
  "slow-growth": {
    description: "3 days: from a tenth of the peak to the peak",
    points: [
      [0, 0.1],
      [72, 1],
    ],
    lifetimeMinutes: 120,
  },
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[]; // Object.keys loses the keys.

/** @param peak connections. */
export function loadOf(name: ProfileName, peak: number): Load {
  const { points, lifetimeMinutes, losses = [] }: Profile = PROFILES[name];
  const [lastHour = 0] = points.at(-1) ?? [];
  const connectionsAt = (minute: number): number => peak * interpolate(points, minute / HOUR_MINUTES);
  const minutes = Array.from({ length: lastHour * HOUR_MINUTES }, (_, minute): LoadMinute => {
    const connections = connectionsAt(minute);
    const loss = losses.findLast(({ hour }) => hour * HOUR_MINUTES <= minute);
    const sinceLoss = loss === undefined ? Infinity : minute - loss.hour * HOUR_MINUTES;
    const sinceReturn = sinceLoss - (loss?.awayMinutes ?? 0);
    if (sinceReturn < 0) {
      return { connects: 0, disconnects: sinceLoss === 0 ? connections : 0, messages: 0 };
    }
    const growth = connectionsAt(minute + 1) - connections;
    const leaving = connections / lifetimeMinutes;
    const returning = sinceReturn < RECONNECT_MINUTES ? connections / RECONNECT_MINUTES : 0;
    return {
      connects: leaving + Math.max(0, growth) + returning,
      disconnects: leaving + Math.max(0, -growth) + (sinceLoss === 0 ? connections : 0),
      messages: connections * MESSAGES_PER_CONNECTION,
    };
  });
  return { name, initialConnections: connectionsAt(0), minutes };
}

function interpolate(points: Profile["points"], hour: number): number {
  const next = points.findIndex(([at]) => at > hour);
  const [toHour, toShare] = points.at(next) ?? [0, 0];
  const [fromHour, fromShare] = points.at(next === -1 ? -1 : next - 1) ?? [0, 0];
  if (toHour === fromHour) return toShare;
  return fromShare + ((toShare - fromShare) * (hour - fromHour)) / (toHour - fromHour);
}
