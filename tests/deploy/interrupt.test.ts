import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { Stack } from "@pulumi/pulumi/automation/index.js";
import { watchInterrupts, type Interrupts } from "../../deploy/interrupt.ts";
import { Interrupted, operate } from "../../deploy/operate.ts";
import { linesView } from "../../deploy/progress/view.ts";

describe("Ctrl-C in deploy", () => {
  let now: number;
  let heard: string[];
  let signals: EventEmitter;
  let keyboard: PassThrough & { raw: boolean; setRawMode: (raw: boolean) => void };
  let orphaned: AbortController;
  let interrupts: Interrupts;

  beforeEach(() => {
    now = 0;
    heard = [];
    signals = new EventEmitter();
    const keys = Object.assign(new PassThrough(), {
      raw: false,
      setRawMode(raw: boolean) {
        keys.raw = raw;
      },
    });
    keyboard = keys;
    orphaned = new AbortController();
    interrupts = watchInterrupts(
      { signals, keyboard, orphaned: orphaned.signal, nowMs: () => now },
      { onFirst: () => heard.push("first"), onSecond: () => heard.push("second") },
    );
  });

  afterEach(() => {
    interrupts.close();
  });

  it("cancels with the first, and ends with a later one", () => {
    signals.emit("SIGINT");
    assert.ok(interrupts.signal.aborted);
    // The same Ctrl-C, passed on by npm.
    now = 100;
    signals.emit("SIGINT");
    assert.deepEqual(heard, ["first"]);

    now = 5000;
    signals.emit("SIGTERM");
    assert.deepEqual(heard, ["first", "second"]);
  });

  it("cancels when npm has ended, which is never the second", () => {
    orphaned.abort();
    assert.deepEqual(heard, ["first"]);
    interrupts.close();

    heard = [];
    const later = new AbortController();
    interrupts = watchInterrupts(
      { signals, keyboard, orphaned: later.signal, nowMs: () => now },
      { onFirst: () => heard.push("first"), onSecond: () => heard.push("second") },
    );
    signals.emit("SIGINT");
    now = 5000;
    later.abort();
    assert.deepEqual(heard, ["first"]);
  });

  it("begins no operation when npm has ended already", async () => {
    const context = {
      openView: linesView({ write: (text) => heard.push(text) }),
      interrupts: { signals, keyboard: undefined, orphaned: AbortSignal.abort(), nowMs: () => now },
      nowMs: () => now,
      say: (line: string) => heard.push(line),
      exit: (code: number) => assert.fail(`exit ${code}`),
      workspace: { programError: () => undefined },
    };
    // A preview asks nothing else of it.
    const stack = Object.assign(Object.create(Stack.prototype) as Stack, { name: "dev" });
    let hasBegun = false;
    const run = (): Promise<void> => {
      hasBegun = true;
      return Promise.resolve();
    };
    await assert.rejects(operate(context, stack, { name: "preview", planned: true, run }), Interrupted);
    assert.equal(hasBegun, false);
    assert.match(heard.join(""), /cancelling/);
  });

  it("takes Ctrl-C as a key, so that the terminal gives it to nobody else", () => {
    assert.ok(keyboard.raw);
    keyboard.emit("data", Buffer.from("abc"));
    assert.deepEqual(heard, []);
    keyboard.emit("data", Buffer.from("\x03"));
    assert.deepEqual(heard, ["first"]);
  });

  it("gives signals and keyboard back", () => {
    interrupts.close();
    interrupts.close();

    assert.equal(keyboard.raw, false);
    assert.equal(keyboard.listenerCount("data"), 0);
    assert.deepEqual(signals.eventNames(), []);
  });
});
