/** Channels whose time, page and jitter a test controls. */
import { connect } from "../../../client/src/index.ts";
import type { Channel, ConnectOptions, State } from "../../../client/src/index.ts";
import { due } from "../../support/waitUntil.ts";
import { FakePage, ManualClock } from "./fakes.ts";
import { startServer } from "./scriptedServer.ts";
import type { ScriptedServer, ServerConnection } from "./scriptedServer.ts";
import { afterwards } from "../../app/support/teardown.ts";

interface Opened<Message> {
  readonly channel: Channel<Message>;
  readonly clock: ManualClock;
  readonly page: FakePage;
}

/** The longest jitter: less than 1 by an amount that is invisible in whole milliseconds. */
const ALMOST_ONE = 1 - Number.EPSILON;

export function open<Message = unknown>(url: string, options: ConnectOptions = {}): Opened<Message> {
  const clock = new ManualClock();
  const page = new FakePage();
  const channel = connect<Message>(url, { clock, page, random: () => ALMOST_ONE, ...options });
  afterwards(() => {
    void channel.close();
    clock.advance(1e9);
  });
  return { channel, clock, page };
}

interface Greeted extends Opened<unknown> {
  readonly server: ScriptedServer;
  readonly accepted: ServerConnection;
}

/** Opens a channel to a server that has sent its greeting. */
export async function openGreeted(
  options: ConnectOptions = {},
  [epoch, offset]: readonly [epoch?: string, offset?: number] = [],
): Promise<Greeted> {
  const server = await startServer();
  const opened = open(server.url, options);
  const accepted = (await server.accept()).greet(epoch, offset);
  await untilState(opened.channel, "open");
  return { ...opened, server, accepted };
}

/** A channel with messages of any type. */
interface StateSource {
  readonly state: State;
  readonly on: (type: "state", listener: (state: State) => void) => () => void;
}

/** Returns the present state if it has that name, or else waits for it. */
export function untilState<Name extends State["name"]>(
  channel: StateSource,
  name: Name,
  forMs?: number,
): Promise<State & { readonly name: Name }> {
  const isWanted = (state: State): state is State & { readonly name: Name } => state.name === name;
  const { state } = channel;
  if (isWanted(state)) return Promise.resolve(state);
  const next = new Promise<State & { readonly name: Name }>((resolve) => {
    const stop = channel.on("state", (candidate) => {
      if (!isWanted(candidate)) return;
      stop();
      resolve(candidate);
    });
  });
  return due(next, () => `${name} as the state of the channel, which is ${channel.state.name}`, forMs);
}

/** Advances the clock to the next attempt, and returns the wait in milliseconds. */
export async function retry({
  channel,
  clock,
}: {
  readonly channel: StateSource;
  readonly clock: ManualClock;
}): Promise<number> {
  const { delay } = await untilState(channel, "waiting");
  clock.advance(delay);
  return delay;
}
