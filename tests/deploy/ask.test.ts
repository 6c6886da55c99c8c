import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { askIn } from "../../deploy/ask.ts";
import { Interrupted, mayHaveChanged } from "../../deploy/errors.ts";

describe("the question of deploy", () => {
  function answered(typed: string): Promise<string> {
    const input = new PassThrough();
    const answer = askIn({ input, output: new PassThrough() })("destroy dev: ");
    input.end(typed);
    return answer;
  }

  it("returns the typed line", async () => {
    assert.equal(await answered("dev\r"), "dev");
  });

  it("returns an empty text at the end of the input", async () => {
    assert.equal(await answered(""), "");
  });

  it("throws on Ctrl-C, before anything has been changed", async () => {
    await assert.rejects(answered("de\x03"), (error) => {
      assert.ok(error instanceof Interrupted);
      assert.equal(error.message, "Nothing has been changed.");
      return !mayHaveChanged(error);
    });
  });
});
