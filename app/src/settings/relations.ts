/** The relations between settings: which values do not fit together, and what follows from several of them. */
import { allowedValues } from "./definition.ts";
import type { Problem } from "./problem.ts";
import { settingDefinitions } from "./settings.ts";
import type { SettingName, Settings } from "./settings.ts";
import { KIB } from "./units.ts";

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
  const { maxPayloadBytes, retainedBytes, access } = settings;
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

  const needed = minRetainedBytes(settings);
  if (retainedBytes < needed) {
    contradictions.push({
      key: keyOf("retainedBytes"),
      got: String(retainedBytes),
      expected: `at least ${needed}, which is ${MIN_RETAINED_MESSAGES} times ${keyOf("maxPayloadBytes")} (${maxPayloadBytes})`,
      fix: [{ set: keyOf("retainedBytes"), to: String(needed) }],
    });
  }
  return contradictions;
}
