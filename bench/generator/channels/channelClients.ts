/** Clients with channels of their own, whose messages are verified. */
import { answerHeartbeat } from "../client.ts";
import { openClients } from "../clients.ts";
import { OPCODES } from "../frames.ts";
import { PROTOCOLS } from "../protocols.ts";
import { readFrames, VoidError } from "../received.ts";
import type { RunTarget } from "../runs.ts";
import { ChannelVerifier } from "./channelVerifier.ts";
import type { ChannelVerifierOptions } from "./channelVerifier.ts";

const HANDSHAKES_AT_ONCE = 128;
const IN_TIME_MS = 20_000;
const WATCH_MS = 1000;

export interface ChannelClientsOptions extends Omit<ChannelVerifierOptions, "protocol"> {
  readonly target: RunTarget;
  readonly clients: number;
  /** Each client subscribes to an equal share. */
  readonly channels: number;
}

export interface ChannelClients {
  readonly ready: Promise<unknown>;
  /** Rejects if a connection ends, the server sends a wrong message, or a message does not arrive within 20 seconds. */
  readonly failed: Promise<never>;
  /** Messages that were delivered and acknowledged. */
  readonly completed: number;
  readonly inFlight: number;
  /** A client publishes to any channel. */
  publish(client: number, channel: number): void;
  destroy(): void;
}

export function openChannelClients(options: ChannelClientsOptions): ChannelClients {
  const { target, clients: count, channels } = options;
  const protocol = PROTOCOLS[target.protocol];
  const share = channels / count;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const verifier = new ChannelVerifier({ ...options, protocol });
  const rests: (Buffer | undefined)[] = [];
  const channelsOf = (client: number): readonly string[] =>
    Array.from({ length: share }, (_, index) => nameOf(client * share + index));

  const clients = openClients({
    target,
    count,
    concurrency: HANDSHAKES_AT_ONCE,
    channelsOf,
    onSubscribed: (_index, channel, position) => {
      verifier.subscribed(channel, position);
    },
    onBytes(index, read) {
      const rest = rests[index];
      const bytes = rest === undefined ? read : Buffer.concat([rest, read]);
      const answer = (text: Buffer) => clients.all[index]?.write(text);
      const channel = share === 1 ? nameOf(index) : undefined;
      rests[index] = readFrames(bytes, ({ opcode, payload, end }) => {
        const received = bytes.subarray(payload, end);
        return (
          answerHeartbeat(protocol, opcode, received, answer) ||
          (opcode === OPCODES.text && verifier.receive(received.toString(), channel))
        );
      });
    },
    onFailed: failure.reject,
  });

  let [seen, seenAt] = [0, performance.now()];
  const watch = setInterval(() => {
    const now = performance.now();
    if (verifier.completed !== seen || verifier.inFlight === 0) [seen, seenAt] = [verifier.completed, now];
    else if (now - seenAt > IN_TIME_MS)
      failure.reject(new VoidError(`messages were lost: none arrived for ${IN_TIME_MS / 1000} s`));
  }, WATCH_MS);

  return {
    ready: clients.ready,
    failed: failure.promise,
    get completed() {
      return verifier.completed;
    },
    get inFlight() {
      return verifier.inFlight;
    },
    publish(client, channel) {
      clients.all[client]?.write(verifier.publish(nameOf(channel), client));
    },
    destroy() {
      clearInterval(watch);
      clients.destroy();
    },
  };
}

function nameOf(channel: number): string {
  return `user.${channel}`;
}
