/** The settings about the messages that the log of a channel retains. */
import { CHANNEL_PATTERN, IMPOSSIBLE_NAMES } from "./channelPattern.ts";
import type { IntegerDefinition, RecordsDefinition } from "./definition.ts";
import { KIB, MIB } from "./units.ts";

/** The retention of some channels. An absent limit is that of all channels. */
export interface RetentionRule {
  /** A name, a prefix that ends with `*`, or `/` for the default channel. */
  readonly channels: string;
  readonly messages?: number;
  readonly bytes?: number;
  readonly seconds?: number;
}

/** The server compares the name of each channel with each rule. */
const MAX_RULES = 32;

const messages = {
  kind: "integer",
  unit: "messages",
  default: 10_000,
  min: 100,
  max: 1_000_000,
  description: "Number of messages retained per channel; a client can resume within them",
} as const satisfies IntegerDefinition;

const seconds = {
  kind: "integer",
  unit: "seconds",
  default: 300,
  min: 10,
  max: 86_400,
  description: "Time for which messages are retained per channel",
} as const satisfies IntegerDefinition;

const bytes = {
  kind: "integer",
  unit: "bytes",
  default: MIB,
  min: 64 * KIB,
  max: 1024 * MIB,
  description: "Bytes of messages retained per channel; a client that is further behind has lost messages",
} as const satisfies IntegerDefinition;

const rules: RecordsDefinition<RetentionRule> = {
  kind: "records",
  default: [],
  maxRecords: MAX_RULES,
  members: {
    channels: {
      kind: "text",
      default: "",
      pattern: CHANNEL_PATTERN,
      isLegal: (text) => !IMPOSSIBLE_NAMES.includes(text),
      allowed: "the name of a channel, a prefix of names that ends with *, or / for the default channel",
      description: "Channels of the rule: a name, a prefix that ends with *, or / for the default channel",
    },
    messages: { ...messages, description: "Number of messages; by default retainedMessages" },
    bytes: { ...bytes, description: "Bytes of messages; by default retainedBytes" },
    seconds: { ...seconds, description: "Time in seconds; by default retainedSeconds" },
  },
  required: "channels",
  description: "Retention of some channels; the first rule that includes a channel applies to it",
};

export const retentionDefinitions = {
  retainedMessages: { ...messages, variable: "WEBSOCKET_RETAINED_MESSAGES" },
  retainedSeconds: { ...seconds, variable: "WEBSOCKET_RETAINED_SECONDS" },
  retainedBytes: { ...bytes, variable: "WEBSOCKET_RETAINED_BYTES" },
  retention: { ...rules, variable: "WEBSOCKET_RETENTION" },
} as const;
