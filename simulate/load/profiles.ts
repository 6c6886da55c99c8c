/** The built-in loads. */
import type { Load, LoadMinute } from "./load.ts";

const HOUR_MINUTES = 60;
/** Messages that a connection receives in a minute. */
const MESSAGES_PER_CONNECTION = 1;
/** Time between the loss of all connections and the last client that connects again. */
const RECONNECT_MINUTES = 2;

interface Profile {
  readonly description: string;
  /** The connections at certain hours, as a share of the peak. Between them, the number is linear. */
  readonly points: readonly (readonly [hour: number, share: number])[];
  /** Average time for which a client stays connected. */
  readonly lifetimeMinutes: number;
  /** Hours at which all clients lose their connection at once. */
  readonly losses?: readonly number[];
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
    description: "3 hours: all clients lose their connection, twice",
    points: [
      [0, 1],
      [3, 1],
    ],
    lifetimeMinutes: 240,
    losses: [1, 2],
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
    const growth = connectionsAt(minute + 1) - connections;
    const leaving = connections / lifetimeMinutes;
    const sinceLoss = Math.min(
      ...losses.map((hour) => minute - hour * HOUR_MINUTES).filter((since) => since >= 0),
    );
    const lost = sinceLoss === 0 ? connections : 0;
    const returning = sinceLoss < RECONNECT_MINUTES ? connections / RECONNECT_MINUTES : 0;
    return {
      connects: leaving + Math.max(0, growth) + returning,
      disconnects: leaving + Math.max(0, -growth) + lost,
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
