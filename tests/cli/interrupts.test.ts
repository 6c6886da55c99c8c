import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { type Interrupts, watchInterrupts } from "../../cli/interrupts.ts";

describe("interrupts", () => {
  let now: number;
  let calls: string[];
  let signals: EventEmitter;
  let keyboard: PassThrough & { raw: boolean; setRawMode: (raw: boolean) => void };
  let orphaned: AbortController;
  let interrupts: Interrupts;

  beforeEach(() => {
    now = 0;
    calls = [];
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
      { onFirst: () => calls.push("first"), onSecond: () => calls.push("second") },
    );
  });

  afterEach(() => {
    interrupts.close();
  });

  it("are a first one, then a second one at least 500 ms later", () => {
    signals.emit("SIGINT");
    assert.ok(interrupts.signal.aborted);
    // The same Ctrl-C, forwarded by npm.
    now = 100;
    signals.emit("SIGINT");
    assert.deepEqual(calls, ["first"]);

    now = 5000;
    signals.emit("SIGTERM");
    assert.deepEqual(calls, ["first", "second"]);
  });

  it("count the end of npm as the first one, and never as the second", () => {
    orphaned.abort();
    assert.deepEqual(calls, ["first"]);
    interrupts.close();

    calls = [];
    const later = new AbortController();
    interrupts = watchInterrupts(
      { signals, keyboard, orphaned: later.signal, nowMs: () => now },
      { onFirst: () => calls.push("first"), onSecond: () => calls.push("second") },
    );
    signals.emit("SIGINT");
    now = 5000;
    later.abort();
    assert.deepEqual(calls, ["first"]);
  });

  it("read Ctrl-C as a key, so that the terminal sends no signal to the children", () => {
    assert.ok(keyboard.raw);
    keyboard.emit("data", Buffer.from("abc"));
    assert.deepEqual(calls, []);
    keyboard.emit("data", Buffer.from("\x03"));
    assert.deepEqual(calls, ["first"]);
  });

  it("leave no listeners and no raw mode after they are closed", () => {
    interrupts.close();
    interrupts.close();

    assert.equal(keyboard.raw, false);
    assert.equal(keyboard.listenerCount("data"), 0);
    assert.deepEqual(signals.eventNames(), []);
  });
});
