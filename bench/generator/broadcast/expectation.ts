import { readFrames, VoidError } from "../received.ts";

/** The exact frames that several receivers must get next. Other frames, such as pings, may be between them. */
export class Expectation {
  /** Received bytes of the expected ones, and those of an incomplete frame, by receiver. */
  readonly #positions: number[];
  readonly #rests: (Buffer | undefined)[];
  readonly #onOther: (index: number, opcode: number, payload: Buffer) => boolean;
  #bytes: Buffer = Buffer.alloc(0);
  /** The first byte of each frame. */
  #starts: readonly number[] = [];
  #missing = 0;
  #onComplete: () => void = () => undefined;

  /** @param onOther receives each frame that is not the next one, and returns whether it is valid. */
  constructor(receivers: number, onOther: (index: number, opcode: number, payload: Buffer) => boolean) {
    this.#positions = new Array<number>(receivers).fill(0);
    this.#rests = new Array<Buffer | undefined>(receivers).fill(undefined);
    this.#onOther = onOther;
  }

  /** Resolves when every receiver has the frames. */
  expect(frames: readonly Buffer[]): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#bytes = Buffer.concat(frames);
    let end = 0;
    this.#starts = frames.map(({ length }) => (end += length) - length);
    this.#missing = this.#positions.length;
    this.#positions.fill(0);
    this.#onComplete = () => {
      resolve(undefined);
    };
    return promise;
  }

  /** @throws {VoidError} at the first frame that is neither expected nor valid otherwise. */
  receive(index: number, bytes: Buffer): void {
    const position = this.#positions[index] ?? 0;
    const rest = this.#rests[index];
    if (rest === undefined && this.#isNext(bytes, position, 0, bytes.length)) {
      this.#advance(index, position + bytes.length);
      return;
    }
    // A read may end or differ in the middle of a frame, so its previous bytes are needed again.
    const start = rest === undefined ? this.#startBefore(position) : position;
    const whole = Buffer.concat([rest ?? this.#bytes.subarray(start, position), bytes]);
    let at = start;
    this.#rests[index] = readFrames(whole, (frame, from) => {
      if (this.#isNext(whole, at, from, frame.end)) at += frame.end - from;
      else if (!this.#onOther(index, frame.opcode, whole.subarray(frame.payload, frame.end)))
        throw new VoidError("a message was lost, repeated or altered");
      return true;
    });
    this.#advance(index, at);
  }

  #isNext(bytes: Buffer, position: number, start: number, end: number): boolean {
    const next = position + end - start;
    return next <= this.#bytes.length && this.#bytes.compare(bytes, start, end, position, next) === 0;
  }

  #advance(index: number, position: number): void {
    const before = this.#positions[index] ?? 0;
    this.#positions[index] = position;
    if (before === this.#bytes.length || position < this.#bytes.length) return;
    this.#missing--;
    if (this.#missing === 0) this.#onComplete();
  }

  #startBefore(position: number): number {
    if (position === this.#bytes.length) return position;
    const starts = this.#starts;
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return starts[low] ?? 0;
  }
}
