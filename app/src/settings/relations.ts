/** The relations between settings: which values do not fit together, and what follows from several of them. */
import { allowedValues } from "./definition.ts";
import type { Problem } from "./problem.ts";
import { settingDefinitions } from "./settings.ts";
import type { SettingName, Settings } from "./settings.ts";
import { KIB, MIB } from "./units.ts";

/** Messages of the maximum size that a channel must be able to retain, so that a reader may be some messages behind. */
const MIN_RETAINED_MESSAGES = 4;

/** Settings that are required if clients need a token. */
export const REQUIRED_FOR_TOKENS = ["jwksUrl", "jwtIssuer", "jwtAudience"] as const;

/** Settings that have no effect if clients need no token. */
const TOKEN_SETTINGS = [
  ...REQUIRED_FOR_TOKENS,
  "jwtChannelClaim",
  "jwtSubscribeClaim",
  "jwtPublishClaim",
] as const;

/** Minimum of `retainedBytes`. */
export function minRetainedBytes({ maxPayloadBytes }: Pick<Settings, "maxPayloadBytes">): number {
  return MIN_RETAINED_MESSAGES * maxPayloadBytes;
}

/** A burst of bytes is what the rate allows in so many seconds, and at least so many messages of the maximum size. */
const BYTE_BURST_SECONDS = 4;
const BYTE_BURST_MESSAGES = 4;

/** Bytes that a connection, or a user, may send at once before its sustained rate applies. */
export function byteBurst({
  bytesPerSecond,
  maxPayloadBytes,
}: Pick<Settings, "bytesPerSecond" | "maxPayloadBytes">): number {
  return Math.max(BYTE_BURST_SECONDS * bytesPerSecond, BYTE_BURST_MESSAGES * (maxPayloadBytes + KIB));
}

/**
 * Returns every contradiction between settings that are legal each.
 * @param keyOf returns the key that the operator sets: a variable, or a key of a stack file.
 */
export function contradictions(settings: Settings, keyOf: (name: SettingName) => string): readonly Problem[] {
  const { access } = settings;
  const contradictions: Problem[] = [];

  if (access === "token") {
    for (const name of REQUIRED_FOR_TOKENS) {
      if (settings[name] !== "") continue;
      contradictions.push({
        key: keyOf(name),
        got: "nothing",
        expected: `${allowedValues(settingDefinitions[name]).replace(", or nothing", "")}, because ${keyOf("access")} is token`,
        fix: [{ ask: keyOf(name) }],
      });
    }
  } else {
    const unused = TOKEN_SETTINGS.filter((name) => settings[name] !== settingDefinitions[name].default);
    if (unused.length > 0) {
      contradictions.push({
        key: keyOf("access"),
        got: "open, which checks no token",
        expected: `token, because ${unused.map(keyOf).join(", ")} ${unused.length === 1 ? "is" : "are"} set`,
        fix: [{ set: keyOf("access"), to: "token" }],
      });
    }
  }

  contradictions.push(...checkCache(settings, keyOf), ...checkRetainedBytes(settings, keyOf));
  return contradictions;
}

/** The cache of a task holds some messages of the maximum size. */
function checkCache(
  { cacheMib, maxPayloadBytes }: Settings,
  keyOf: (name: SettingName) => string,
): readonly Problem[] {
  const needed = Math.ceil((MIN_RETAINED_MESSAGES * maxPayloadBytes) / MIB);
  if (cacheMib >= needed) return [];
  return [
    {
      key: keyOf("cacheMib"),
      got: String(cacheMib),
      expected: `at least ${needed}, because ${MIN_RETAINED_MESSAGES} messages of ${keyOf("maxPayloadBytes")} (${maxPayloadBytes}) must fit`,
      fix: [{ set: keyOf("cacheMib"), to: String(needed) }],
    },
  ];
}

/** A channel retains some messages of the maximum size, and no more than the store of all channels has. */
function checkRetainedBytes(settings: Settings, keyOf: (name: SettingName) => string): readonly Problem[] {
  const { maxPayloadBytes, retainedBytes, retention, valkeyUrl, valkeyBudgetMib, cacheMib } = settings;
  const min = minRetainedBytes(settings);
  const inMemory = valkeyUrl === "" && valkeyBudgetMib === 0;
  const storeMib = inMemory ? cacheMib : valkeyBudgetMib === 0 ? Infinity : valkeyBudgetMib;
  const store = keyOf(inMemory ? "cacheMib" : "valkeyBudgetMib");
  const max = storeMib * MIB;
  const values = [
    { key: keyOf("retainedBytes"), bytes: retainedBytes },
    ...retention.map(({ bytes }, index) => ({ key: `${keyOf("retention")}[${index}].bytes`, bytes })),
  ];
  return values.flatMap(({ key, bytes = min }) => {
    if (bytes < min) {
      const expected = `at least ${min}, which is ${MIN_RETAINED_MESSAGES} times ${keyOf("maxPayloadBytes")} (${maxPayloadBytes})`;
      return [{ key, got: String(bytes), expected, fix: [{ set: key, to: String(min) }] }];
    }
    // If even the minimum does not fit, the store has a problem of its own.
    if (bytes <= max || max < min) return [];
    const expected = `at most ${max}, because ${store} allows ${storeMib} MiB for all channels`;
    return [{ key, got: String(bytes), expected, fix: [{ set: key, to: String(max) }] }];
  });
}
