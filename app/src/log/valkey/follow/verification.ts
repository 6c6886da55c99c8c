import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import { parseStreamKey, storageKey } from "../connection/partitions.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import { proveScript } from "../scripts/followScripts.ts";
import { entryId, parseEpoch, parseOffset } from "../valkeyChannel.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { ValkeyChannels } from "../valkeyChannels.ts";
import { batches } from "./channelEnds.ts";
import { MAX_SCRIPT_CHANNELS } from "./channelLocator.ts";
import type { FollowedChannel } from "./followedChannel.ts";
import type { StreamEntry } from "./streamReads.ts";
import { MAX_COMMAND_CHANNELS } from "./subscriptions.ts";

/** Maximum number of channels that are opened in one write. */
const MAX_OPEN_CHANNELS = 50;

export interface VerificationParts {
  readonly nodes: ValkeyNodes;
  readonly channels: ValkeyChannels;
  /** Called if a channel has entries after the position with which the server was asked: at least those before `end`. */
  readonly onFound: (followed: FollowedChannel, epoch: number, end: number) => void;
  /** Called if the server refuses to read a single channel. */
  readonly onRefused: (followed: FollowedChannel, error: Error) => void;
  readonly logger: Logger;
}

/** Compares channels with the server: whether it has later entries, and whether it still has the known ones. */
export class Verification {
  readonly #parts: VerificationParts;
  readonly #refusal: RecurringProblem;

  constructor(parts: VerificationParts) {
    this.#parts = parts;
    this.#refusal = new RecurringProblem({
      logger: parts.logger,
      begun: "Valkey could not be read",
      ended: "Valkey can be read again",
    });
  }

  /** Looks for later entries of channels of one partition. The replies have only channels with such entries. */
  async verify(partition: number, followed: readonly FollowedChannel[]): Promise<void> {
    const placed = followed.filter((each) => each.isPlaced && !each.isReading);
    await Promise.all(
      batches(placed, MAX_COMMAND_CHANNELS).map((batch) => this.#verifyBatch(partition, batch)),
    );
  }

  /** Verifies all followed channels of a partition. */
  verifyAll(partition: number): Promise<void> {
    return this.verify(partition, this.#followed(partition));
  }

  /**
   * Verifies that the server has the newest known entries of channels of one partition, and renews their expiry. A channel
   * without its entry begins a new epoch.
   */
  async prove(partition: number, followed: readonly FollowedChannel[]): Promise<void> {
    const known = followed.flatMap(({ channel, isPlaced }) => (isPlaced ? [channel] : []));
    await Promise.all(batches(known, MAX_SCRIPT_CHANNELS).map((batch) => this.#proveBatch(partition, batch)));
  }

  /** Proves all followed channels of a partition. */
  proveAll(partition: number): Promise<void> {
    return this.prove(partition, this.#followed(partition));
  }

  /** Opens channels of one partition, which also trims them. */
  async open(partition: number, followed: readonly FollowedChannel[]): Promise<void> {
    const { nodes, channels } = this.#parts;
    await Promise.all(
      batches(followed, MAX_OPEN_CHANNELS).map(async (batch) => {
        const node = nodes.available(partition);
        await node?.scripts.run(() => channels.open(node, batch));
      }),
    );
  }

  #followed(partition: number): readonly FollowedChannel[] {
    const followed: FollowedChannel[] = [];
    for (const channel of this.#parts.channels.of(partition)) {
      if (channel.followed !== undefined) followed.push(channel.followed);
    }
    return followed;
  }

  async #verifyBatch(partition: number, batch: readonly FollowedChannel[]): Promise<void> {
    const { nodes, channels, onFound, onRefused } = this.#parts;
    const node = nodes.available(partition);
    if (node === undefined || batch.length === 0) return;
    const [outcome] = await node.scripts.run(() =>
      node.send([
        [
          ...["xread", "COUNT", 1, "STREAMS"],
          ...batch.map(({ channel }) => channel.key),
          ...batch.map(({ channel, next }) => entryId(channel.epoch, next - 1)),
        ] as [string, ...(string | number)[]],
      ]),
    );
    if (outcome?.kind === "refused") {
      const [only] = batch;
      if (!outcome.error.message.startsWith("WRONGTYPE")) this.#refusal.note(outcome.error);
      else if (batch.length > 1) {
        const half = batch.length >> 1;
        await Promise.all([
          this.#verifyBatch(partition, batch.slice(0, half)),
          this.#verifyBatch(partition, batch.slice(half)),
        ]);
      } else if (only !== undefined) onRefused(only, outcome.error);
    }
    if (outcome?.kind !== "answered") return;
    // The reply of XREAD.
    const streams = (outcome.reply ?? []) as readonly (readonly [string, readonly StreamEntry[]])[];
    for (const [key, [entry]] of streams) {
      const name = parseStreamKey(Buffer.from(key))?.name ?? "";
      const followed = channels.find(partition, name)?.followed;
      if (followed === undefined || entry === undefined) continue;
      onFound(followed, parseEpoch(entry[0]), parseOffset(entry[0]) + 1);
    }
  }

  async #proveBatch(partition: number, batch: readonly ValkeyChannel[]): Promise<void> {
    const { nodes, channels } = this.#parts;
    const node = nodes.available(partition);
    if (node === undefined || batch.length === 0) return;
    const keys = [storageKey(partition)];
    const args: (string | number)[] = [Date.now()];
    for (const { key, recordKey, epoch, offset, entryName, expiryMs } of batch) {
      keys.push(key, recordKey);
      args.push(epoch, offset, entryName, expiryMs);
    }
    const [outcome] = await node.scripts.run(() => node.run(proveScript, [{ keys, args }]));
    if (outcome?.kind === "refused") channels.refusal.note(outcome.error);
    if (outcome?.kind !== "answered") return;
    // The reply of the prove script.
    const lacking = (outcome.reply as readonly number[]).flatMap((number) => batch[number - 1] ?? []);
    if (lacking.length === 0) return;
    await channels.open(
      node,
      lacking.map((channel) => ({ channel })),
    );
  }
}
