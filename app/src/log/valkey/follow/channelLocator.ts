import { clockKey, storageKey } from "../connection/partitions.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import { followScript, LOST } from "../scripts/followScripts.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { LocatedChannel, ValkeyChannels } from "../valkeyChannels.ts";

/** Maximum number of channels per script. */
export const MAX_SCRIPT_CHANNELS = 250;

/** The channels, or their errors, in the order of a request. */
export type Located = readonly (LocatedChannel | Error)[];

/** Requests the positions of channels from the server. */
export class ChannelLocator {
  readonly #nodes: ValkeyNodes;
  readonly #channels: ValkeyChannels;

  constructor(nodes: ValkeyNodes, channels: ValkeyChannels) {
    this.#nodes = nodes;
    this.#channels = channels;
  }

  /**
   * Locates at most {@link MAX_SCRIPT_CHANNELS} channels of one partition, and renews their expiry. A channel that the server
   * has lost begins a new epoch. Each channel can fail by itself; it does not reject.
   */
  async locate(partition: number, channels: readonly ValkeyChannel[]): Promise<Located> {
    const node = this.#nodes.available(partition);
    if (node === undefined) return channels.map(() => new Error("Valkey is away."));
    const keys = [storageKey(partition), clockKey(partition)];
    const args: number[] = [Date.now()];
    for (const channel of channels) {
      keys.push(channel.key, channel.recordKey);
      args.push(channel.epoch, channel.expiryMs);
    }
    const [outcome] = await node.scripts.run(() => node.run(followScript, [{ keys, args }]));
    if (outcome?.kind !== "answered") {
      if (outcome?.kind === "refused") this.#channels.refusal.note(outcome.error);
      return channels.map(() => outcome?.error ?? new Error("Valkey has not answered."));
    }
    // The reply of the follow script.
    const reply = outcome.reply as readonly (string | number)[];
    const lost: ValkeyChannel[] = [];
    const located = channels.map((channel, index): LocatedChannel | Error | undefined => {
      const [text, first, end] = reply.slice(3 * index, 3 * index + 3);
      const epoch = Number(text);
      if (Number.isNaN(epoch)) {
        const error = new Error(String(text));
        this.#channels.refusal.note(error);
        return error;
      }
      // Entries that this task has seen are missing.
      const isLost = text === LOST || (epoch === channel.epoch && Number(end) <= channel.offset);
      if (!isLost) return { epoch, first: Number(first), end: Number(end) };
      lost.push(channel);
      return undefined;
    });
    if (lost.length === 0) return located as Located;
    const opened = await this.#channels.open(
      node,
      lost.map((channel) => ({ channel })),
    );
    let next = 0;
    return located.map((each) => each ?? opened[next++] ?? new Error("Valkey has not answered."));
  }
}
