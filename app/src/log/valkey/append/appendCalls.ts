import type { CommandOutcome, ValkeyCommand } from "../connection/valkeyConnection.ts";
import { formatPublished } from "../publishedMessage.ts";
import { appendScript, NO_STREAM } from "../scripts/appendScript.ts";
import { evalCommand, evalshaCommand } from "../scripts/script.ts";
import { parseOffset } from "../valkeyChannel.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { PendingAppend } from "./pendingAppend.ts";

/** Maximum number of entries per script, and of the bytes of their records. A long script would delay other channels. */
const MAX_ENTRIES = 200;
const MAX_BYTES = 256 * 1024;

/** Appends of one channel that one script stores, in their order. */
export interface AppendCall {
  readonly channel: ValkeyChannel;
  readonly appends: PendingAppend[];
  bytes: number;
}

/** The reply to an append: its offset, and the digest of the record that is stored already or an empty string. */
export type EntryReply = readonly [offset: number, digest: string];

/**
 * What the server has done with an append. It is `answered` with a reply of `null` if the stream is gone. The script ends at its
 * first error, so the appends after a refused one are refused too.
 */
export type AppendOutcome =
  | { readonly kind: "answered"; readonly reply: EntryReply | null }
  | Exclude<CommandOutcome, { readonly kind: "answered" }>;

/** The reply of the append script unless all entries were stored and published. */
type AppendReply = readonly [published: number | string, problem: string, ...entries: string[]];

/** Divides appends among scripts. The order within a channel remains. */
export function groupAppends(batch: readonly PendingAppend[]): readonly AppendCall[] {
  const calls: AppendCall[] = [];
  const open = new Map<ValkeyChannel, AppendCall>();
  for (const append of batch) {
    const { channel, recordBytes } = append;
    let call = open.get(channel);
    if (call === undefined || call.appends.length === MAX_ENTRIES || call.bytes + recordBytes > MAX_BYTES) {
      call = { channel, appends: [], bytes: 0 };
      open.set(channel, call);
      calls.push(call);
    }
    call.appends.push(append);
    call.bytes += recordBytes;
  }
  return calls;
}

/** Returns the command for a call. @param isLoaded whether the server has the script. */
export function appendCommand({ channel, appends }: AppendCall, isLoaded: boolean): ValkeyCommand {
  const { key, expiryMs, epoch } = channel;
  const { retainedMessages, retainedSeconds } = channel.retention;
  const hasIds = appends.some(({ digest }) => digest !== undefined);
  const keys = hasIds ? [key, ...channel.idKeys, channel.recordKey] : [key];
  const args: (string | number)[] = [epoch, Date.now(), expiryMs, retainedMessages, retainedSeconds * 1000];
  for (const { name, digest = "", record } of appends) args.push(name, digest, record);
  return (isLoaded ? evalshaCommand : evalCommand)(appendScript, { keys, args });
}

/** Returns the outcome of each append of a call. */
export function appendOutcomes(
  { appends }: AppendCall,
  outcome: CommandOutcome | undefined,
): readonly AppendOutcome[] {
  if (outcome?.kind !== "answered") {
    const unknown: AppendOutcome = outcome ?? {
      kind: "unknown",
      error: new Error("Valkey has not answered."),
    };
    return appends.map(() => unknown);
  }
  // The reply of the append script.
  const reply = outcome.reply as string | AppendReply;
  if (typeof reply === "string") {
    const first = parseOffset(reply);
    return appends.map((_, index) => ({ kind: "answered", reply: [first + index, ""] }));
  }
  const [, problem, ...values] = reply;
  const refused: AppendOutcome =
    problem === NO_STREAM
      ? { kind: "answered", reply: null }
      : { kind: "refused", error: new Error(problem) };
  return appends.map((_, index): AppendOutcome => {
    const [offset, digest] = [values[2 * index], values[2 * index + 1]];
    return offset === undefined || digest === undefined
      ? refused
      : { kind: "answered", reply: [Number(offset), digest] };
  });
}

/** Returns why the script has not published what it has stored; `undefined` if it has. */
export function unpublishedReason(outcome: CommandOutcome | undefined): string | undefined {
  if (outcome?.kind !== "answered") return undefined;
  const reply = outcome.reply as string | AppendReply;
  return typeof reply === "object" && typeof reply[0] === "string" ? reply[0] : undefined;
}

/** Returns the command that publishes what a call has stored; `undefined` if that is nothing. */
export function publishCommand(
  { channel, appends }: AppendCall,
  outcomes: readonly AppendOutcome[],
): ValkeyCommand | undefined {
  const stored = appends.flatMap((append, index) => {
    const outcome = outcomes[index];
    if (outcome?.kind !== "answered" || outcome.reply === null) return [];
    const [offset, digest] = outcome.reply;
    return digest === "" ? [{ append, offset }] : [];
  });
  const [first, last] = [stored[0], stored.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const records = stored.map(({ append }) => append.record);
  return [
    "spublish",
    channel.key,
    formatPublished(first.append.epoch, first.offset, last.append.name, records),
  ];
}
