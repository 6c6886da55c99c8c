import assert from "node:assert/strict";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { confirm } from "../../deploy/confirm.ts";

describe("the confirmation of deploy", () => {
  const question = { what: "destroy dev", details: ["the logs would be lost"], word: "dev" };

  it("accepts only the right word", async () => {
    const printed: string[] = [];
    const asked: string[] = [];
    const answering = (answer: string): Parameters<typeof confirm>[0] => ({
      print: (line) => printed.push(line),
      ask: (text) => {
        asked.push(text);
        return Promise.resolve(answer);
      },
    });

    await confirm(answering("dev\n"), question);
    assert.deepEqual(printed, ["  the logs would be lost"]);
    assert.deepEqual(asked, ["destroy dev: type dev to continue: "]);
    for (const answer of ["", "y", "yes", "prod"]) {
      await assert.rejects(
        confirm(answering(answer), question),
        new ExpectedError("Nothing has been changed."),
      );
    }
  });

  it("fails without a terminal", async () => {
    await assert.rejects(confirm({ print: () => undefined, ask: undefined }, question), /Fix: add --yes/);
  });
});
