/**
 * A stream per channel, and a stream per partition or per task and partition, which the tasks read with one blocking command
 * each. The append script adds the entry to the stream of the channel, and:
 *
 * - `all`: to the stream of the partition. Every task reads every message, and discards those of channels that it does not follow.
 * - `followers`: to the streams of the tasks that follow the channel. A set for each channel has their names.
 */
import { batches, MAX_BATCH_CHANNELS, MAX_ENTRIES, offsetOf } from "../backplane.ts";
import type { Backplane, BackplaneTask, Design } from "../backplane.ts";
import { partitionNodes } from "../cluster.ts";
import { FollowedChannels, refreshScript } from "../followed.ts";
import { Batches, Nodes, send } from "../nodes.ts";
import type { Command } from "../nodes.ts";
import { partitionOf, TAGS } from "../partitions.ts";
import { defineScript } from "../script.ts";
import { StreamTail } from "../streamTail.ts";
import { keyOf } from "./push.ts";

/** Maximum number of entries in the stream of a partition, and in that of a task and partition. */
const MAX_TAIL_ENTRIES = 10_000;

/** Keys: channel, partition. Arguments: entries to retain of each, payload. */
const appendToAll = defineScript(`
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '1-*', '', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', KEYS[1], id, '', ARGV[3])
return id`);

/** Keys: channel, followers. Arguments: as above, and the prefix of the tasks' streams. */
const appendToFollowers = defineScript(`
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '1-*', '', ARGV[3])
for _, task in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  redis.call('XADD', ARGV[4] .. task, 'MAXLEN', '~', ARGV[2], '*', KEYS[1], id, '', ARGV[3])
end
return id`);

/** Adds a task to the followers of channels, or removes it. Keys: followers. Arguments: command, task. */
const changeFollowers = defineScript(`
for _, key in ipairs(KEYS) do redis.call(ARGV[1], key, ARGV[2]) end`);

export const tailOfAll: Design = {
  title: "every task reads a stream per partition",
  keyOf,
  commands: ["evalsha", "xread", "xrange"],
  open: (task) =>
    openTail(
      task,
      (tag) => `websocket:{${tag}}:all`,
      (channel) => {
        const tag = TAGS[partitionOf(channel)];
        return (payload) =>
          appendToAll.run(
            [keyOf(channel), `websocket:{${tag}}:all`],
            [MAX_ENTRIES, MAX_TAIL_ENTRIES, payload],
          );
      },
    ),
};

export const tailOfFollowers: Design = {
  title: "every task reads its own stream per partition",
  keyOf,
  commands: ["evalsha", "xread", "xrange"],
  async open(task) {
    const tail = await openTail(
      task,
      (tag) => `websocket:{${tag}}:task:${task.name}`,
      (channel) => {
        const prefix = `websocket:{${TAGS[partitionOf(channel)]}}:task:`;
        return (payload) =>
          appendToFollowers.run(
            [keyOf(channel), followersOf(keyOf(channel))],
            [MAX_ENTRIES, MAX_TAIL_ENTRIES, payload, prefix],
          );
      },
    );
    const change = async (command: string, channels: readonly string[]): Promise<void> => {
      const byPartition = Map.groupBy(channels, partitionOf);
      await Promise.all(
        [...byPartition].flatMap(([partition, names]) =>
          batches(names, MAX_BATCH_CHANNELS).map((batch) => {
            const keys = batch.map((name) => followersOf(keyOf(name)));
            return send(tail.nodes.of(partition), [changeFollowers.run(keys, [command, task.name])]);
          }),
        ),
      );
    };
    return {
      ...tail,
      async follow(channels) {
        await change("SADD", channels);
        await tail.follow(channels);
      },
      async unfollow(channels) {
        await tail.unfollow(channels);
        await change("SREM", channels);
      },
    };
  },
};

async function openTail(
  { cluster, onEntries }: BackplaneTask,
  tailKeyOf: (tag: string) => string,
  commandOf: (channel: string) => (payload: string) => Command,
): Promise<Backplane & { readonly nodes: Nodes }> {
  const nodes = await Nodes.connect(cluster);
  const scripts = [appendToAll, appendToFollowers, changeFollowers, refreshScript];
  await Promise.all(scripts.map((script) => script.load(nodes.all)));
  const followed = new FollowedChannels({
    onEntries,
    connectionOf: (partition) => nodes.of(partition),
    keyOf,
    partitionOf,
  });
  const nodeOf = partitionNodes(cluster);
  const tails = await Promise.all(
    TAGS.map((tag, partition) =>
      StreamTail.start(cluster.ports[nodeOf[partition] ?? 0] ?? 0, tailKeyOf(tag), (entries) => {
        for (const [, [key = "", id = "", , payload = ""]] of entries) {
          followed.push(key, offsetOf(id), [payload]);
        }
      }),
    ),
  );
  for (const connection of nodes.all) {
    connection.on("ready", () => void followed.verify().catch(() => undefined));
  }
  const appends = nodes.all.map(
    (connection) => new Batches<Command>((commands) => send(connection, commands)),
  );

  return {
    nodes,
    async append(channel, payload) {
      await appends[nodes.all.indexOf(nodes.of(partitionOf(channel)))]?.add(commandOf(channel)(payload));
    },
    follow: (channels) => followed.refresh(followed.add(channels)),
    unfollow(channels) {
      followed.remove(channels);
      return Promise.resolve();
    },
    verify: () => followed.verify(),
    refresh: () => followed.refresh(),
    close() {
      nodes.close();
      for (const tail of tails) tail.close();
    },
  };
}

function followersOf(key: string): string {
  return `${key}:followers`;
}
