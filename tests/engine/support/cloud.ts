/**
 * The stand-in for AWS: a folder that the stand-in providers and the tests share. The providers append every call to it, and a
 * test can change existing resources there, as a change outside Pulumi would.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../support/waitUntil.ts";

/** Time until a stuck call fails if the engine does not cancel it. */
const STUCK_FOR_AT_MOST_MS = 30_000;
const LOOK_EVERY_MS = 20;

export type Properties = Readonly<Record<string, unknown>>;

/** A finished call of the engine to a provider. */
export interface Call {
  readonly method: "check" | "diff" | "create" | "read" | "update" | "delete" | "invoke" | "construct";
  /** Type token of the resource, or token of the function. */
  readonly type: string;
  /** Logical name of the resource; empty for a function. */
  readonly name: string;
  /** ID of the resource, for a create, an update or a delete. */
  readonly id?: string;
  /** Top-level inputs that an update changes. */
  readonly changed?: readonly string[];
  /** The inputs of the call. */
  readonly inputs?: Properties;
  /** The outputs of a create. */
  readonly outputs?: Properties;
}

export class Cloud {
  readonly #calls: string;
  readonly #drift: string;
  readonly #tags: string;
  readonly #failures: string;
  readonly #stuck: string;
  readonly #cancelled: string;
  readonly #held: string;

  constructor(folder: string) {
    this.#calls = join(folder, "calls.jsonl");
    this.#drift = join(folder, "drift.json");
    this.#tags = join(folder, "tags");
    this.#failures = join(folder, "failures");
    this.#stuck = join(folder, "stuck");
    this.#cancelled = join(folder, "cancelled");
    this.#held = join(folder, "held");
  }

  /** Records a call. Several providers write at the same time; a single append of one line is atomic. */
  record(call: Call): void {
    appendFileSync(this.#calls, `${JSON.stringify(call)}\n`);
  }

  /** Returns the calls since the last {@link forget}, in the order in which they finished. */
  calls(): readonly Call[] {
    if (!existsSync(this.#calls)) return [];
    return readFileSync(this.#calls, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Call); // Written by record() above.
  }

  /** Returns the creates, updates and deletes. */
  changes(): readonly Call[] {
    return this.calls().filter(({ method }) => ["create", "update", "delete"].includes(method));
  }

  /**
   * Pushes an image under a tag of a repository with immutable tags.
   * @throws {Error} if the tag exists, as ECR does.
   */
  push(tag: string): void {
    if (this.pushedTags().includes(tag)) throw new Error(`ImageTagAlreadyExistsException: ${tag}`);
    appendFileSync(this.#tags, `${tag}\n`);
  }

  /** Returns all pushed tags, oldest first. */
  pushedTags(): readonly string[] {
    if (!existsSync(this.#tags)) return [];
    return readFileSync(this.#tags, "utf8").trim().split("\n");
  }

  forget(): void {
    rmSync(this.#calls, { force: true });
  }

  /** Sets properties that a read of a resource of this type returns from now on. */
  setDrift(type: string, properties: Properties): void {
    writeFileSync(this.#drift, JSON.stringify({ ...this.#drifts(), [type]: properties }));
  }

  driftOf(type: string): Properties {
    return this.#drifts()[type] ?? {};
  }

  /**
   * Makes the next create or update of this type fail with a message. The call after it succeeds. A replacement fails in its
   * create.
   */
  setFailure(type: string, message: string): void {
    writeEntry(this.#failures, type, message);
  }

  /** @throws {Error} with the message of {@link setFailure}, once. */
  failIfAsked(type: string): void {
    const message = readEntry(this.#failures, type);
    if (message === undefined) return;
    rmSync(fileOf(this.#failures, type));
    throw new Error(message);
  }

  /** Makes the next create or update of this type wait until the engine is cancelled. */
  setStuck(type: string): void {
    rmSync(this.#cancelled, { force: true });
    writeEntry(this.#stuck, type, "");
  }

  /** Waits if {@link setStuck} was called for the type, once. */
  async waitIfAsked(type: string): Promise<void> {
    if (readEntry(this.#stuck, type) === undefined) return;
    rmSync(fileOf(this.#stuck, type));
    const isCancelled = (): boolean => existsSync(this.#cancelled);
    await waitUntil(isCancelled, { forMs: STUCK_FOR_AT_MOST_MS, everyMs: LOOK_EVERY_MS });
  }

  /** Records that the engine was cancelled. */
  cancel(): void {
    writeFileSync(this.#cancelled, "");
  }

  /** Stores the inputs of a resource. It remains if Pulumi removes it only from its state. */
  hold(type: string, id: string, inputs: Properties): void {
    writeEntry(this.#held, `${type} ${id}`, JSON.stringify(inputs));
  }

  /** Returns the inputs of a resource, if it exists. */
  held(type: string, id: string): Properties | undefined {
    const inputs = readEntry(this.#held, `${type} ${id}`);
    // Written by hold() above.
    return inputs === undefined ? undefined : (JSON.parse(inputs) as Properties);
  }

  /** Returns the inputs of all resources of a type by ID. */
  allHeld(type: string): ReadonlyMap<string, Properties> {
    if (!existsSync(this.#held)) return new Map();
    const ids = readdirSync(this.#held)
      .map((entry) => decodeURIComponent(entry).split(" "))
      .flatMap(([found, id = ""]) => (found === type ? [id] : []));
    return new Map(ids.map((id) => [id, this.held(type, id) ?? {}]));
  }

  release(type: string, id: string): void {
    rmSync(fileOf(this.#held, `${type} ${id}`), { force: true });
  }

  #drifts(): Readonly<Record<string, Properties>> {
    if (!existsSync(this.#drift)) return {};
    // Written by setDrift() above.
    return JSON.parse(readFileSync(this.#drift, "utf8")) as Record<string, Properties>;
  }
}

function fileOf(folder: string, key: string): string {
  return join(folder, encodeURIComponent(key));
}

function writeEntry(folder: string, key: string, content: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(folder, key), content);
}

function readEntry(folder: string, key: string): string | undefined {
  const file = fileOf(folder, key);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
