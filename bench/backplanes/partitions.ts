/** The partitions of the channels: each is one hash slot of a cluster. */

const SLOTS = 16_384;

/** The slots of the partitions have equal distances, so a cluster with up to as many shards gets equal shares. */
export const PARTITIONS = 64;

const SLOTS_PER_PARTITION = SLOTS / PARTITIONS;

/** Returns the partition of a channel: the part of the slots that contains the slot of its name. */
export function partitionOf(channel: string): number {
  return Math.floor(slotOf(channel) / SLOTS_PER_PARTITION);
}

/** Hash tags by partition. The slot of a tag is in the part of the slots that belongs to the partition. */
export const TAGS = createTags();

/** Returns the hash slot of a text without a hash tag. */
export function slotOf(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % SLOTS;
}

/** The first number in each partition. */
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
