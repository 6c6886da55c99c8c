/** Connections whose time, page and jitter a test controls, and what happens on them. */
import { connect } from "../../../client/src/index.ts";
import type {
  Channel,
  ChannelOptions,
  Connection,
  ConnectionEvents,
  ConnectOptions,
  Gap,
  Position,
} from "../../../client/src/index.ts";
import { FakePage, ManualClock } from "./fakes.ts";
import { Queue } from "./queue.ts";
import { ROOM, startServer } from "./scriptedServer.ts";
import type { ScriptedServer, ServerConnection } from "./scriptedServer.ts";
import { afterwards } from "../../app/support/teardown.ts";

/** The longest jitter: less than 1 by an amount that is invisible in whole milliseconds. */
const ALMOST_ONE = 1 - Number.EPSILON;

/** The events of a connection; each `next` takes the next one of its type. */
export class EventLog {
  readonly #queues: { readonly [Type in keyof ConnectionEvents]: Queue<ConnectionEvents[Type]> } = {
    open: new Queue("the event open"),
    reconnecting: new Queue("the event reconnecting"),
    closed: new Queue("the event closed"),
    error: new Queue("the event error"),
  };

  constructor(connection: Connection) {
    const { open, reconnecting, closed, error } = this.#queues;
    connection.on("open", open.put);
    connection.on("reconnecting", reconnecting.put);
    connection.on("closed", closed.put);
    connection.on("error", error.put);
  }

  next<Type extends keyof ConnectionEvents>(type: Type): Promise<ConnectionEvents[Type]> {
    return this.#queues[type].take();
  }

  count(type: keyof ConnectionEvents): number {
    return this.#queues[type].size;
  }
}

export interface OpenedConnection {
  readonly connection: Connection;
  readonly events: EventLog;
  readonly clock: ManualClock;
  readonly page: FakePage;
}

export function open(url: string, options: ConnectOptions = {}): OpenedConnection {
  const clock = new ManualClock();
  const page = new FakePage();
  const connection = connect(url, { clock, page, random: () => ALMOST_ONE, ...options });
  afterwards(() => {
    void connection.close();
    clock.advance(1e9);
  });
  return { connection, events: new EventLog(connection), clock, page };
}

/** Waits for the loss of the connection, and advances the clock to the next attempt. Returns the wait in milliseconds. */
export async function retry({ events, clock }: OpenedConnection): Promise<number> {
  const { delay } = await events.next("reconnecting");
  clock.advance(delay);
  return delay;
}

export interface Greeted extends OpenedConnection {
  readonly server: ScriptedServer;
  readonly accepted: ServerConnection;
}

/** Opens a connection to a server that has sent its greeting. */
export async function openGreeted(
  options: ConnectOptions = {},
  keys: Parameters<ServerConnection["greet"]>[0] = {},
): Promise<Greeted> {
  const server = await startServer();
  const opened = open(server.url, options);
  const accepted = (await server.accept()).greet(keys);
  await opened.events.next("open");
  return { ...opened, server, accepted };
}

/** A channel, and what its callbacks receive, as one text each: `e 4`, `gap e 5-6`, or `at e 3` for the subscription. */
export interface RecordedChannel {
  readonly channel: Channel;
  /** Takes the next texts. */
  readonly read: (count: number) => Promise<readonly string[]>;
  /** The number of texts that the test has not taken. */
  readonly unread: number;
}

export function join(
  connection: Connection,
  name = ROOM,
  options: ChannelOptions<unknown> = {},
): RecordedChannel {
  const texts = new Queue<string>("a call of the channel's callbacks");
  const channel = connection.channel(name, {
    onMessage: (message) => {
      texts.put(textOf(message));
    },
    onGap: (gap) => {
      texts.put(gapText(gap));
    },
    onSubscribed: (position) => {
      texts.put(`at ${textOf(position)}`);
    },
    ...options,
  });
  return {
    channel,
    read: (count) => texts.takeMany(count),
    get unread() {
      return texts.size;
    },
  };
}

export function textOf({ epoch, offset }: Position): string {
  return `${epoch} ${offset}`;
}

export function gapText({ epoch, from, to }: Gap): string {
  return `gap ${epoch} ${from}-${to ?? ""}`;
}

/** Opens a connection with one channel that is subscribed at a position. */
export async function openSubscribed(
  options: ConnectOptions = {},
  [epoch, offset]: readonly [epoch?: string, offset?: number] = [],
): Promise<Greeted & RecordedChannel> {
  const greeted = await openGreeted(options);
  const recorded = join(greeted.connection);
  await greeted.accepted.nextRequest();
  greeted.accepted.subscribed(epoch, offset);
  await recorded.read(1);
  return {
    ...greeted,
    channel: recorded.channel,
    read: recorded.read,
    get unread() {
      return recorded.unread;
    },
  };
}
