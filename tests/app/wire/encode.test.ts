import assert from "node:assert/strict";

import { encode } from "../../../app/src/wire/encode.ts";
import type { ServerMessage } from "../../../app/src/wire/messages.ts";

describe("an acknowledgement", () => {
  const position = { channel: "room.1", epoch: "e-_1", offset: 2 ** 40 };

  for (const message of [
    { ack: "id", ...position },
    { ack: 'a "quote", a \\ and a \u2028\n', ...position },
    { ack: "id", ...position, duplicate: true },
  ] satisfies readonly ServerMessage[]) {
    it(`is the JSON of ${JSON.stringify(message)}`, () => {
      assert.equal(encode(message), JSON.stringify(message));
    });
  }
});
