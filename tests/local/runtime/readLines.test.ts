import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { MAX_LINE_BYTES, readLines } from "../../../local/runtime/tasks/readLines.ts";

async function linesOf(chunks: readonly Buffer[]): Promise<readonly string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, (line) => lines.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await once(stream, "end");
  return lines;
}

describe("the lines of a task", () => {
  const longest = "x".repeat(MAX_LINE_BYTES);
  const cases: readonly (readonly [name: string, written: string, lines: readonly string[]])[] = [
    ["end with \\n, \\r\\n or the stream", "a\nb\r\n\nc", ["a", "b", "", "c"]],
    ["of the maximum length are whole", `${longest}\nb\n`, [longest, "b"]],
    ["beyond the maximum length are cut", `${longest}yz\nb\n`, [`${longest}…`, "b"]],
    ["are cut between characters", `${longest.slice(1)}ä\n`, [`${longest.slice(1)}…`]],
    ["without an end have a maximum length", longest.repeat(3), [`${longest}…`]],
  ];
  for (const [name, written, lines] of cases) {
    it(name, async () => {
      assert.deepEqual(await linesOf([Buffer.from(written)]), lines);
    });
  }

  it("do not depend on how the bytes are split", async () => {
    const split = fc.array(fc.nat({ max: 40 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme", maxLength: 8 })),
        split,
        async (texts, ends) => {
          const bytes = Buffer.from(texts.map((line) => `${line.replace(/[\r\n]/g, "")}\n`).join(""));
          const at = [0, ...ends.sort((a, b) => a - b), bytes.length];
          const chunks = at.slice(1).map((end, n) => bytes.subarray(at[n], end));
          assert.deepEqual(await linesOf(chunks), await linesOf([bytes]));
          assert.equal((await linesOf(chunks)).join(""), bytes.toString().replaceAll("\n", ""));
        },
      ),
    );
  });
});
