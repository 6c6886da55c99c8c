/** What a generator is asked to do, and what it answers: the messages between it and the benchmark. */
import type { ProtocolName } from "./protocols.ts";

/** The server, or the tasks that together are one. */
export interface RunTarget {
  readonly host: string;
  /** Client i connects to the i-th of them, and round again. */
  readonly ports: readonly number[];
  /** Their processes, whose CPU and memory are counted together. */
  readonly pids: readonly number[];
  /** The process of the store behind them, counted apart. */
  readonly storePid?: number;
  readonly protocol: ProtocolName;
}

/** Messages to everybody. */
export interface LoadRun {
  readonly kind: "load";
  /** ClientGroup that receive everything; the first of them publish, too. */
  readonly clients: number;
  readonly publishers: number;
  /** Size of a message's JSON text. */
  readonly messageBytes: number;
  readonly pace:
    | {
        /** A publisher sends its next message when everybody has received one: so many are on their way. */
        readonly inFlight: number;
      }
    | {
        /** Messages a second, sent whether or not the server keeps up. */
        readonly rate: number;
      };
  /** Whether there is one more client, which never reads. */
  readonly idleReader: boolean;
  /** Load before the measurement begins. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface LoadFigures {
  readonly seconds: number;
  readonly deliveries: number;
  /** Messages that reached everybody. */
  readonly messages: number;
  /** From the time at which a message was due to that at which one client had read it. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** In seconds, as everything called CPU; `undefined` where the system does not tell. */
  readonly serverCpu: number | undefined;
  readonly storeCpu: number | undefined;
  readonly generatorCpu: number;
  /** From all clients' being connected to the most that was seen after it. */
  readonly memoryGrowthBytes: number | undefined;
  readonly sameOrder: boolean;
}

/** Connections that do nothing. */
export interface ConnectionsRun {
  readonly kind: "connections";
  readonly clients: number;
  /** Handshakes under way at once. */
  readonly concurrency: number;
  /** From the last handshake to the look at the server's memory. */
  readonly idleSeconds: number;
}

export interface ConnectionsFigures {
  /** From the first handshake to the last greeting. */
  readonly seconds: number;
  readonly serverCpu: number | undefined;
  readonly generatorCpu: number;
  /** Of all connections together. */
  readonly memoryGrowthBytes: number | undefined;
}

/** ClientGroup of `resume.v1` that reconnect at once. */
export interface ResumeRun {
  readonly kind: "resume";
  readonly clients: number;
  /** Messages that each of them has missed. */
  readonly behind: number;
  readonly messageBytes: number;
}

export interface ResumeFigures {
  /** From the first reconnect until the last client has everything. */
  readonly seconds: number;
  readonly deliveries: number;
  readonly serverCpu: number | undefined;
  readonly generatorCpu: number;
}

export interface FiguresOf {
  readonly load: LoadFigures;
  readonly connections: ConnectionsFigures;
  readonly resume: ResumeFigures;
}

export type Run = LoadRun | ConnectionsRun | ResumeRun;

export type RunOutcome<Figures> =
  | { readonly outcome: "measured"; readonly figures: Figures }
  /** The server lost, doubled or altered something, or ended a connection: there are no figures. */
  | { readonly outcome: "void"; readonly reason: string }
  /** It was asked for more than it can do. */
  | { readonly outcome: "not sustained"; readonly reason: string };
