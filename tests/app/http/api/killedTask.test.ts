/** Publishes that are repeated with their keys after the task that had them was killed. */
import assert from "node:assert/strict";

import { requireValkey, startValkey } from "../../../support/valkey.ts";
import type { TestValkey } from "../../../support/valkey.ts";
import { runServer } from "../../support/processes.ts";
import { tearDown } from "../../support/teardown.ts";
import { API_KEYS, KEY, messagesOf, post, send } from "./apiClient.ts";
import type { Answer } from "./apiClient.ts";

const MESSAGES = 800;
const SENDERS = 40;
/** Number of answers after which the task is killed. */
const KILLED_AFTER = 200;
const HEADERS = { "X-Api-Key": KEY };

interface Position {
  readonly offset: number;
}

describe("a publish by HTTP over a killed task", function () {
  // Two servers start, on a busy machine.
  this.timeout(90_000);

  let valkey: TestValkey | undefined;

  before(async function () {
    valkey = await startValkey(await requireValkey(this));
  });

  afterEach(tearDown);

  after(async () => {
    await valkey?.close();
  });

  it("is stored once, if it is repeated with its key at another task", async () => {
    const { url, password } = (valkey ?? assert.fail()).address;
    const env = {
      WEBSOCKET_VALKEY_URL: url,
      WEBSOCKET_VALKEY_PASSWORD: password ?? "",
      WEBSOCKET_API_KEYS: API_KEYS,
    };
    const [first, second] = await Promise.all([runServer(env), runServer(env)]);
    const publish = (port: number, n: number): Promise<Answer> =>
      post(messagesOf(`http://127.0.0.1:${port}`), String(n), { ...HEADERS, "Idempotency-Key": `key-${n}` });
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n);

    // Each sender has one request at a time, so the kill meets some of them.
    const waiting = [...numbers];
    const answers = new Map<number, Answer>();
    const sendAll = async (): Promise<void> => {
      for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) {
        try {
          answers.set(n, await publish(first.port, n));
        } catch {
          return;
        }
        if (answers.size === KILLED_AFTER) first.kill("SIGKILL");
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sendAll));
    await first.ended;
    assert.ok(answers.size < MESSAGES, "the task was killed too late");

    const offsets = new Map<number, number>();
    let stored = 0;
    for (const n of numbers) {
      const { status, body } = await publish(second.port, n);
      const { offset } = body as Position;
      if (status === 201) stored += 1;
      else assert.equal(status, 200, JSON.stringify(body));
      offsets.set(n, offset);
      const answer = answers.get(n);
      // An acknowledged message keeps its position.
      if (answer !== undefined) assert.deepEqual([status, offset], [200, (answer.body as Position).offset]);
    }
    assert.ok(stored > 0, "the task had stored every message");

    const origin = `http://127.0.0.1:${second.port}`;
    const { body } = await send(`${messagesOf(origin)}?last=1000`, { headers: HEADERS });
    const { messages } = body as {
      readonly messages: readonly { readonly offset: number; readonly message: number }[];
    };
    assert.deepEqual(
      messages.map(({ message }) => message).sort((one, other) => one - other),
      numbers,
    );
    for (const { message, offset } of messages) assert.equal(offsets.get(message), offset);
  });
});
