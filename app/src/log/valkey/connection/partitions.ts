/** The partitions of the channels, each of which is one hash slot of a cluster, and the keys in them. */

const SLOTS = 16_384;

/** The slots of the partitions have equal distances, so a cluster with up to as many shards gets equal shares. */
export const PARTITIONS = 64;

const SLOTS_PER_PARTITION = SLOTS / PARTITIONS;

const CRC_TABLE = createCrcTable();

/** Hash tags by partition. The slot of a tag is in the part of the slots that belongs to the partition. */
const TAGS = createTags();

/** Slots of the tags, by partition. */
export const PARTITION_SLOTS: readonly number[] = TAGS.map(slotOf);

/** All keys begin with this text, the tag of their partition, and `}:`. */
const KEY_PREFIX = "websocket:{";

/** Maximum number of digits of a tag. */
const MAX_TAG_LENGTH = Math.max(...TAGS.map((tag) => tag.length));

const PARTITION_OF_TAG: ReadonlyMap<number, number> = new Map(
  TAGS.map((tag, partition) => [Number(tag), partition]),
);

/** The partition of the keys that do not belong to a channel. */
export const COMMON_PARTITION = 0;

/** Reports of the tasks: see `reportScript`. */
export const TASKS_KEY = partitionKey(COMMON_PARTITION, "tasks");

/** Layout of the keys: see `formatScript`. */
export const FORMAT_KEY = partitionKey(COMMON_PARTITION, "format");

/** Returns the partition of a channel: the part of the slots that contains the slot of its name. */
export function partitionOf(channel: string): number {
  return Math.floor(slotOf(channel) / SLOTS_PER_PARTITION);
}

/** Returns the key of a channel's stream, which is also the name of its pub/sub channel. */
export function streamKey(partition: number, channel: string): string {
  return `${KEY_PREFIX}${TAGS[partition]}}:channel:${channel}`;
}

/** Returns the key of a hash with a channel's epoch, charge and leases. */
export function recordKey(partition: number, channel: string): string {
  return `${KEY_PREFIX}${TAGS[partition]}}:record:${channel}`;
}

/** Returns the keys of two hashes that store the ids of publishes in turn. */
export function idKeys(partition: number, channel: string): readonly [string, string] {
  const prefix = `${KEY_PREFIX}${TAGS[partition]}}:ids:`;
  return [`${prefix}0:${channel}`, `${prefix}1:${channel}`];
}

/** Returns the key of the sums of the channels' charges: see `storageScript.ts`. */
export function storageKey(partition: number): string {
  return partitionKey(partition, "storage");
}

/** Returns the key of the sums of one user's charges. @param name a name of fixed length: see `idName`. */
export function userStorageKey(partition: number, name: string): string {
  return partitionKey(partition, `user:${name}`);
}

/** Returns the key of a stream that exists only while a script reads the server's time. */
export function clockKey(partition: number): string {
  return partitionKey(partition, "clock");
}

/** Returns the partition and the name of a channel by the key of its stream. */
export function parseStreamKey(
  key: Buffer,
): { readonly partition: number; readonly name: string } | undefined {
  const from = KEY_PREFIX.length;
  let tag = 0;
  let at = from;
  for (; at < from + MAX_TAG_LENGTH; at++) {
    const digit = (key[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    tag = tag * 10 + digit;
  }
  const partition = PARTITION_OF_TAG.get(tag);
  return partition === undefined
    ? undefined
    : { partition, name: key.toString("utf8", at + "}:channel:".length) };
}

function partitionKey(partition: number, name: string): string {
  return `${KEY_PREFIX}${TAGS[partition]}}:${name}`;
}

/** Returns the hash slot of a text without a hash tag: CRC-16/XMODEM of its UTF-8, modulo the number of slots. */
function slotOf(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc = ((crc << 8) & 0xffff) ^ (CRC_TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0);
  }
  return crc % SLOTS;
}

function createCrcTable(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    return crc & 0xffff;
  });
}

/** The smallest number in each partition. */
function createTags(): readonly string[] {
  const tags: string[] = [];
  for (let number = 0, found = 0; found < PARTITIONS; number++) {
    const partition = partitionOf(String(number));
    if (tags[partition] !== undefined) continue;
    tags[partition] = String(number);
    found += 1;
  }
  return tags;
}
