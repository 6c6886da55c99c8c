/** Parsing and validation of the messages that clients of the `channels` dialect send. */
import { CHANNEL_NAME_RULE, fromWireName } from "./channelName.ts";
import { MAX_EPOCH_BYTES, MAX_LAST } from "./messages.ts";
import type { ChannelsMessage, RequestedStart } from "./messages.ts";
import { aboutChannel, canonicalize, INVALID_ID, isId, parseJson, reject } from "./parseValue.ts";
import type { InvalidMessage } from "./parseValue.ts";

const NO_REQUEST =
  'The message is not an object with one of the keys "publish", "subscribe" and "unsubscribe".';
const NO_CHANNEL = "The name of the channel is not a string.";
const INVALID_START =
  'A subscribe has "epoch" and "offset" together, a string and a whole number from 0 to 9007199254740991, ' +
  `or "last", a whole number from 1 to ${MAX_LAST}, or none of them.`;

/** What any of the messages can have. Unknown keys are ignored. */
interface Request {
  readonly publish?: unknown;
  readonly subscribe?: unknown;
  readonly unsubscribe?: unknown;
  readonly channel?: unknown;
  readonly id?: unknown;
  readonly epoch?: unknown;
  readonly offset?: unknown;
  readonly last?: unknown;
}

/**
 * Parses a client's message.
 * @param text `undefined` if the message was not UTF-8.
 * @param maxBytes limit for the canonical JSON of a published value, which can be several times as long as the text.
 */
export function parseChannels(text: string | undefined, maxBytes: number): ChannelsMessage | InvalidMessage {
  const parsed = parseJson(text, true);
  if (parsed.kind === "invalid") return parsed;
  const { value } = parsed;
  if (typeof value !== "object" || value === null) return reject("invalid_message", NO_REQUEST);
  const isPublish = Object.hasOwn(value, "publish");
  const isSubscribe = Object.hasOwn(value, "subscribe");
  const isUnsubscribe = Object.hasOwn(value, "unsubscribe");
  if (Number(isPublish) + Number(isSubscribe) + Number(isUnsubscribe) !== 1) {
    return reject("invalid_message", NO_REQUEST);
  }
  const request: Request = value;
  if (isPublish) return parsePublish(request, parsed.text, maxBytes);
  const subscription = isSubscribe ? parseSubscribe(request) : parseUnsubscribe(request);
  return subscription.kind === "invalid" ? { ...subscription, isSubscription: true } : subscription;
}

function parsePublish(request: Request, text: string, maxBytes: number): ChannelsMessage | InvalidMessage {
  const { publish, id } = request;
  if (id !== undefined && !isId(id))
    return reject("invalid_message", INVALID_ID, aboutChannel(request.channel));
  const channel = parseName(request.channel);
  if (typeof channel !== "string") return { ...channel, error: { ...channel.error, ...aboutId(id) } };
  const canonical = canonicalize(publish, text, true, maxBytes);
  if (canonical.kind === "invalid") {
    const about = { ...aboutChannel(request.channel), ...aboutId(id) };
    return { ...canonical, error: { ...canonical.error, ...about } };
  }
  const { json } = canonical;
  return id === undefined ? { kind: "publish", channel, json } : { kind: "publish", channel, json, id };
}

function aboutId(id: string | undefined): { readonly id?: string } {
  return id === undefined ? {} : { id };
}

function parseSubscribe(request: Request): ChannelsMessage | InvalidMessage {
  const channel = parseName(request.subscribe);
  if (typeof channel !== "string") return channel;
  const start = parseStart(request);
  return start === undefined
    ? reject("invalid_message", INVALID_START, aboutChannel(request.subscribe))
    : { kind: "subscribe", channel, start };
}

function parseUnsubscribe({ unsubscribe }: Request): ChannelsMessage | InvalidMessage {
  const channel = parseName(unsubscribe);
  return typeof channel === "string" ? { kind: "unsubscribe", channel } : channel;
}

/** Returns the channel with a name. */
function parseName(name: unknown): string | InvalidMessage {
  if (typeof name !== "string") return reject("invalid_message", NO_CHANNEL);
  return fromWireName(name) ?? reject("invalid_channel", CHANNEL_NAME_RULE, aboutChannel(name));
}

function parseStart({ epoch, offset, last }: Request): RequestedStart | undefined {
  if (epoch === undefined && offset === undefined) {
    if (last === undefined) return "end";
    return isWholeNumber(last, 1, MAX_LAST) ? { last } : undefined;
  }
  if (last !== undefined || typeof epoch !== "string" || Buffer.byteLength(epoch) > MAX_EPOCH_BYTES) {
    return undefined;
  }
  return isWholeNumber(offset, 0, Number.MAX_SAFE_INTEGER) ? { epoch, offset } : undefined;
}

function isWholeNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}
