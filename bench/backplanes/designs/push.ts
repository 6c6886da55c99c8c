/**
 * A stream per channel. The append script publishes the entry to the tasks that follow the channel, with its offset. A task
 * reads the stream if an offset is missing, after a reconnection, and when it verifies the channel.
 */
import { batches, MAX_BATCH_CHANNELS, MAX_ENTRIES, offsetOf } from "../backplane.ts";
import type { Backplane, BackplaneTask, Design } from "../backplane.ts";
import { FollowedChannels, refreshScript } from "../followed.ts";
import { Batches, Nodes, send } from "../nodes.ts";
import { partitionOf, PARTITIONS, TAGS } from "../partitions.ts";
import { defineScript } from "../script.ts";

/**
 * Appends entries to a stream, and publishes them in one message: the key, the first id and the payloads, one per line.
 * JSON payloads without whitespace have no line breaks.
 * Arguments: entries to retain, publish command, channel of the message, payloads.
 */
const appendScript = defineScript(`
local first
for i = 4, #ARGV do
  local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '1-*', '', ARGV[i])
  first = first or id
end
redis.call(ARGV[2], ARGV[3], KEYS[1] .. '\\n' .. first .. '\\n' .. table.concat(ARGV, '\\n', 4))
return first`);

/** Maximum number of entries per script. A long script would delay other channels. */
const MAX_APPENDS = 200;

interface Append {
  readonly channel: string;
  readonly payload: string;
}

export interface PushOptions {
  readonly title: string;
  /** SPUBLISH reaches the node of the slot. PUBLISH reaches all nodes of the cluster. */
  readonly publish: "SPUBLISH" | "PUBLISH";
  /** Whether tasks subscribe to each channel, or to all partitions once. */
  readonly per: "channel" | "partition";
}

export function pushDesign({ title, publish, per }: PushOptions): Design {
  const topicOf = (key: string, partition: number): string =>
    per === "channel" ? key : `websocket:{${TAGS[partition]}}`;
  return {
    title,
    keyOf,
    commands: ["evalsha", "xread", "xrange", "ssubscribe", "sunsubscribe", "subscribe", "unsubscribe"],
    open: (task) => openPush(task, publish, topicOf, per === "partition"),
  };
}

async function openPush(
  { cluster, onEntries, dropEvery = Infinity }: BackplaneTask,
  publish: PushOptions["publish"],
  topicOf: (key: string, partition: number) => string,
  followsAll: boolean,
): Promise<Backplane> {
  const isSharded = publish === "SPUBLISH";
  const nodes = await Nodes.connect(cluster);
  const subscribers = await Nodes.connect(cluster);
  await Promise.all([appendScript.load(nodes.all), refreshScript.load(nodes.all)]);
  const followed = new FollowedChannels({
    onEntries,
    connectionOf: (partition) => nodes.of(partition),
    keyOf,
    partitionOf,
  });
  let pushes = 0;
  const onMessage = (_: string, message: string): void => {
    pushes += 1;
    if (pushes % dropEvery === 0) return;
    const [key = "", first = "", ...payloads] = message.split("\n");
    followed.push(key, offsetOf(first), payloads);
  };

  const change = async (
    action: "subscribe" | "unsubscribe",
    keys: ReadonlyMap<number, readonly string[]>,
  ): Promise<void> => {
    await Promise.all(
      [...keys].flatMap(([partition, list]) =>
        batches(list, MAX_BATCH_CHANNELS).map(async (batch) => {
          const topics = batch.map((key) => topicOf(key, partition));
          // Any node delivers the messages of PUBLISH.
          const connection = isSharded ? subscribers.of(partition) : subscribers.all[0];
          await (isSharded ? connection?.[`s${action}`](...topics) : connection?.[action](...topics));
        }),
      ),
    );
  };
  const subscribeAll = (): Promise<void> =>
    change(
      "subscribe",
      followsAll ? new Map(Array.from({ length: PARTITIONS }, (_, p) => [p, [""]])) : followed.keys(),
    );

  for (const connection of subscribers.all) {
    connection.on(isSharded ? "smessage" : "message", onMessage);
    // Messages may be lost until the subscriptions are renewed.
    connection.on("ready", () => {
      subscribeAll()
        .then(() => followed.verify())
        .catch(ignore);
    });
  }
  for (const connection of nodes.all) {
    connection.on("ready", () => {
      followed.verify().catch(ignore);
    });
  }
  if (followsAll) await subscribeAll();

  const appends = nodes.all.map(
    (connection) => new Batches<Append>((batch) => send(connection, commandsOf(batch, publish, topicOf))),
  );
  const appendsOf = (channel: string): Batches<Append> | undefined =>
    appends[nodes.all.indexOf(nodes.of(partitionOf(channel)))];

  return {
    async append(channel, payload) {
      await appendsOf(channel)?.add({ channel, payload });
    },
    async follow(channels) {
      const keys = followed.add(channels);
      if (!followsAll) await change("subscribe", keys);
      await followed.refresh(keys);
    },
    async unfollow(channels) {
      const keys = followed.remove(channels);
      if (!followsAll) await change("unsubscribe", keys);
    },
    verify: () => followed.verify(),
    refresh: () => followed.refresh(),
    close() {
      nodes.close();
      subscribers.close();
    },
  };
}

/** One script for all entries of a channel. */
function commandsOf(
  batch: readonly Append[],
  publish: string,
  topicOf: (key: string, partition: number) => string,
): ReturnType<typeof appendScript.run>[] {
  return [...Map.groupBy(batch, ({ channel }) => channel)].flatMap(([channel, appends]) => {
    const key = keyOf(channel);
    const topic = topicOf(key, partitionOf(channel));
    return batches(appends, MAX_APPENDS).map((some) =>
      appendScript.run([key], [MAX_ENTRIES, publish, topic, ...some.map(({ payload }) => payload)]),
    );
  });
}

export function keyOf(channel: string): string {
  return `websocket:{${TAGS[partitionOf(channel)]}}:channel:${channel}`;
}

function ignore(): void {
  // The connection was lost again. The next one renews everything.
}
