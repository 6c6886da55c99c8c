import { evalCommand, evalshaCommand, isUnknownScript } from "../scripts/script.ts";
import type { ScriptCall, ValkeyScript } from "../scripts/script.ts";
import { Limiter } from "./limiter.ts";
import type { SubscriberConnection } from "./subscriberConnection.ts";
import type { CommandOutcome, ValkeyCommand, ValkeyConnection } from "./valkeyConnection.ts";

/** Maximum number of scripts for many channels at a time. Appends wait no longer than for these. */
const MAX_SCRIPTS = 4;

/** Maximum number of streams that are read at a time. */
const MAX_READS = 4;

/** Replies after which the slots or the roles of the nodes must be requested again. The server has not run the command. */
const REDIRECTION = /^(?:MOVED|CLUSTERDOWN|READONLY|MASTERDOWN|LOADING) /;

/** Replies while the keys of a slot move to another node. The map of the slots remains valid until all of them have moved. */
const MIGRATION = /^(?:ASK|TRYAGAIN) /;

export interface ValkeyNodeParts {
  /** `host:port`. */
  readonly address: string;
  readonly commands: ValkeyConnection;
  readonly subscriber: SubscriberConnection;
  /** Called if the server has refused commands because of its slots or its role. Returns whether they wait for the next map. */
  readonly onRedirected: (node: ValkeyNode, error: Error) => boolean;
}

/** A primary of Valkey, with a connection for commands and one for subscriptions. */
export class ValkeyNode {
  readonly address: string;
  readonly commands: ValkeyConnection;
  readonly subscriber: SubscriberConnection;
  /** Limits scripts for many channels. */
  readonly scripts = new Limiter(MAX_SCRIPTS);
  readonly reads = new Limiter(MAX_READS);
  readonly #onRedirected: ValkeyNodeParts["onRedirected"];

  constructor({ address, commands, subscriber, onRedirected }: ValkeyNodeParts) {
    this.address = address;
    this.commands = commands;
    this.subscriber = subscriber;
    this.#onRedirected = onRedirected;
  }

  /** Sends commands in one write. A redirected command is `unsent` if it can be sent with the next map. Never rejects. */
  async send(commands: readonly ValkeyCommand[]): Promise<readonly CommandOutcome[]> {
    const outcomes = await this.commands.send(commands);
    const redirected = outcomes.filter(isRedirected);
    if (redirected.length === 0) return outcomes;
    // Each slot has an error of its own.
    const errors = new Map(redirected.map(({ error }) => [error.message, error]));
    const waiting = new Set<string>();
    for (const [message, error] of errors) if (this.#onRedirected(this, error)) waiting.add(message);
    return outcomes.map((outcome) =>
      isRedirected(outcome) && waiting.has(outcome.error.message)
        ? { kind: "unsent", error: outcome.error }
        : outcome,
    );
  }

  /** Runs a script for each call. The script must be one that can run twice. */
  async run(script: ValkeyScript, calls: readonly ScriptCall[]): Promise<readonly CommandOutcome[]> {
    const outcomes = await this.send(calls.map((call) => evalshaCommand(script, call)));
    if (!outcomes.some(isUnknown)) return outcomes;
    // The first one loads the script for the others.
    const again = await this.send(
      calls
        .filter((_, index) => isUnknown(outcomes[index]))
        .map((call, index) => (index === 0 ? evalCommand : evalshaCommand)(script, call)),
    );
    let next = 0;
    return outcomes.map((outcome) => (isUnknown(outcome) ? (again[next++] ?? outcome) : outcome));
  }

  /** Requests the slots of the nodes again if a reply shows that they have changed. @returns whether they change. */
  noteRedirection(error: Error): boolean {
    if (REDIRECTION.test(error.message)) this.#onRedirected(this, error);
    else return MIGRATION.test(error.message);
    return true;
  }

  close(): void {
    this.commands.close();
    this.subscriber.close();
  }
}

function isRedirected(outcome: CommandOutcome): outcome is CommandOutcome & { readonly kind: "refused" } {
  return outcome.kind === "refused" && REDIRECTION.test(outcome.error.message);
}

function isUnknown(outcome: CommandOutcome | undefined): boolean {
  return outcome?.kind === "refused" && isUnknownScript(outcome.error);
}
