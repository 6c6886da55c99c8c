/** Messages between the benchmark and a generator: runs and their outcomes. */
import type { ProtocolName } from "./protocols.ts";

/** The server, or the tasks that share a store. */
export interface RunTarget {
  readonly host: string;
  /** Client i connects to port i modulo their number. */
  readonly ports: readonly number[];
  /** Whether the ports have TLS, with any certificate. */
  readonly hasTls: boolean;
  /** Their processes; CPU and memory are added. */
  readonly pids: readonly number[];
  /** The processes of the store, counted separately. */
  readonly storePids?: readonly number[];
  readonly protocol: ProtocolName;
}

/** Every message goes to every client. */
export interface LoadRun {
  readonly kind: "load";
  /** Clients that receive every message. The first ones also publish. */
  readonly clients: number;
  readonly publishers: number;
  /** Size of a message's JSON text. */
  readonly messageBytes: number;
  readonly pace:
    | {
        /** Closed loop: messages in flight of each publisher. A message that reached every client is followed by the next. */
        readonly inFlight: number;
      }
    | {
        /** Open loop: messages a second, whether or not the server keeps up. */
        readonly rate: number;
      };
  /** Whether one more client connects that never reads. */
  readonly idleReader: boolean;
  /** Load before the measurement. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface LoadFigures {
  readonly seconds: number;
  readonly deliveries: number;
  /** Messages that reached every client. */
  readonly messages: number;
  /** From the due time of a message to the time at which a client has read it. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** CPU time in seconds; `undefined` if the system does not report it. */
  readonly serverCpu: number | undefined;
  readonly storeCpu: number | undefined;
  readonly generatorCpu: number;
  /** Maximum after all clients had connected, minus the value at that time. */
  readonly memoryGrowthBytes: number | undefined;
  readonly sameOrder: boolean;
}

/** Connections that do nothing. */
export interface ConnectionsRun {
  readonly kind: "connections";
  readonly clients: number;
  /** Handshakes at the same time. */
  readonly concurrency: number;
  /** Channels of each client, which no other client has. @default the default channel for all clients */
  readonly ownChannels?: number;
  /** From the last handshake to the measurement of the server's memory. */
  readonly settleSeconds: number;
  /** Duration of the measurement of the idle processes. @default none */
  readonly idleSeconds?: number;
}

export interface ConnectionsFigures {
  /** From the first handshake to the last greeting or confirmed subscription. */
  readonly seconds: number;
  readonly serverCpu: number | undefined;
  readonly generatorCpu: number;
  /** Of all connections together. */
  readonly memoryGrowthBytes: number | undefined;
  /** CPU time per second of the idle processes. */
  readonly idleServerCpu: number | undefined;
  readonly idleStoreCpu: number | undefined;
}

/** Each client has a channel, and publishes to it. One message is under way. */
export interface LoneRun {
  readonly kind: "lone";
  readonly channels: number;
  readonly messageBytes: number;
  /** Measured messages. Before them, each channel gets one. */
  readonly messages: number;
  /** Time in which the store completes the work that messages cause, before and after the measured ones. */
  readonly settleSeconds: number;
}

export interface LoneFigures {
  readonly seconds: number;
  readonly messages: number;
  /** From the publish to the read of the message, by the publisher. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly serverCpu: number | undefined;
  /** Until the store is idle again, and without its idle CPU time. */
  readonly storeCpu: number | undefined;
  /** CPU time per second of the store before the messages. */
  readonly idleStoreCpu: number | undefined;
  readonly generatorCpu: number;
}

/** Clients that subscribe to an equal share of the channels each, and publish to all of them. */
export interface PublishRun {
  readonly kind: "publish";
  readonly clients: number;
  readonly channels: number;
  readonly messageBytes: number;
  /** Messages in flight of each client. A message that was delivered and acknowledged is followed by the next. */
  readonly inFlight: number;
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface PublishFigures {
  readonly seconds: number;
  readonly messages: number;
  readonly serverCpu: number | undefined;
  /** CPU time of the store's process that used the most. */
  readonly busiestStoreCpu: number | undefined;
  readonly generatorCpu: number;
}

/** Clients that reconnect and resume at once. */
export interface ResumeRun {
  readonly kind: "resume";
  readonly clients: number;
  /** Messages that each client has missed. */
  readonly behind: number;
  readonly messageBytes: number;
}

export interface ResumeFigures {
  /** From the first reconnect to the last delivery. */
  readonly seconds: number;
  readonly deliveries: number;
  readonly serverCpu: number | undefined;
  readonly generatorCpu: number;
}

export interface FiguresOf {
  readonly load: LoadFigures;
  readonly connections: ConnectionsFigures;
  readonly lone: LoneFigures;
  readonly publish: PublishFigures;
  readonly resume: ResumeFigures;
}

export type Run = LoadRun | ConnectionsRun | LoneRun | PublishRun | ResumeRun;

export type RunOutcome<Figures> =
  | { readonly outcome: "measured"; readonly figures: Figures }
  /** The server lost, repeated or altered a message, or ended a connection. */
  | { readonly outcome: "void"; readonly reason: string }
  /** The server did not keep up with the rate. */
  | { readonly outcome: "not sustained"; readonly reason: string };
