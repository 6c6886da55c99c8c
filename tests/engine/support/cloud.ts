/**
 * The stand-in cloud: a folder that the stand-in providers and the tests share. The providers append every call
 * to it, and a test can change there what "really runs", behind Pulumi's back.
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

/** In milliseconds: where nobody cancels, it fails. */
const STUCK_FOR_AT_MOST_MS = 30_000;
const LOOK_EVERY_MS = 20;

export type Properties = Readonly<Record<string, unknown>>;

/** One finished call of the engine to a provider. */
export interface Call {
  readonly method: "check" | "diff" | "create" | "read" | "update" | "delete" | "invoke" | "construct";
  /** Type token of the resource, or token of the function. */
  readonly type: string;
  /** Logical name of the resource; empty for a function. */
  readonly name: string;
  /** Which resource it was, for a create, an update or a delete. */
  readonly id?: string;
  /** Top-level inputs that an update changes. */
  readonly changed?: readonly string[];
  /** What the call was given. */
  readonly inputs?: Properties;
  /** What a create answered. */
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

  /** Several providers write at once: one append of one line does not mix with another. */
  record(call: Call): void {
    appendFileSync(this.#calls, `${JSON.stringify(call)}\n`);
  }

  /** Every call since the last {@link forget}, in the order in which they finished. */
  calls(): readonly Call[] {
    if (!existsSync(this.#calls)) return [];
    return readFileSync(this.#calls, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Call); // Written by record() above.
  }

  /** The calls that changed something. */
  changes(): readonly Call[] {
    return this.calls().filter(({ method }) => ["create", "update", "delete"].includes(method));
  }

  /**
   * Pushes an image under a tag of a repository with immutable tags.
   * @throws {Error} as ECR does, where the tag is taken: no build gives the same bytes twice.
   */
  push(tag: string): void {
    if (this.pushedTags().includes(tag)) throw new Error(`ImageTagAlreadyExistsException: ${tag}`);
    appendFileSync(this.#tags, `${tag}\n`);
  }

  /** Every tag that was ever pushed, oldest first. */
  pushedTags(): readonly string[] {
    if (!existsSync(this.#tags)) return [];
    return readFileSync(this.#tags, "utf8").trim().split("\n");
  }

  forget(): void {
    rmSync(this.#calls, { force: true });
  }

  /** From now on a resource of this type is found with these properties when it is read. */
  setDrift(type: string, properties: Properties): void {
    writeFileSync(this.#drift, JSON.stringify({ ...this.#drifts(), [type]: properties }));
  }

  driftOf(type: string): Properties {
    return this.#drifts()[type] ?? {};
  }

  /**
   * The next create or update of this type fails with this message, and changes nothing; the one after it works again. A
   * replacement fails where it is created.
   */
  setFailure(type: string, message: string): void {
    writeEntry(this.#failures, type, message);
  }

  /** @throws {Error} what {@link setFailure} asked for, once. */
  failIfAsked(type: string): void {
    const message = readEntry(this.#failures, type);
    if (message === undefined) return;
    rmSync(fileOf(this.#failures, type));
    throw new Error(message);
  }

  /** The next create or update of this type comes to its end only when the engine is cancelled. */
  setStuck(type: string): void {
    rmSync(this.#cancelled, { force: true });
    writeEntry(this.#stuck, type, "");
  }

  /** Waits where {@link setStuck} asked for it, once. */
  async waitIfAsked(type: string): Promise<void> {
    if (readEntry(this.#stuck, type) === undefined) return;
    rmSync(fileOf(this.#stuck, type));
    const isCancelled = (): boolean => existsSync(this.#cancelled);
    await waitUntil(isCancelled, { forMs: STUCK_FOR_AT_MOST_MS, everyMs: LOOK_EVERY_MS });
  }

  /** The engine is cancelled, and has told so. */
  cancel(): void {
    writeFileSync(this.#cancelled, "");
  }

  /** From now on there is a resource with these inputs, also when Pulumi lets go of it. */
  hold(type: string, id: string, inputs: Properties): void {
    writeEntry(this.#held, `${type} ${id}`, JSON.stringify(inputs));
  }

  /** The inputs of a resource, where there is one. */
  held(type: string, id: string): Properties | undefined {
    const inputs = readEntry(this.#held, `${type} ${id}`);
    // Written by hold() above.
    return inputs === undefined ? undefined : (JSON.parse(inputs) as Properties);
  }

  /** The inputs of all resources of a type, by id. */
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
