import assert from "node:assert/strict";
import { confirm } from "../../deploy/confirm.ts";
import { PreconditionError } from "../../deploy/preconditions.ts";

describe("what deploy asks", () => {
  const question = { what: "destroy dev", details: ["the logs would be lost"], word: "dev" };

  it("goes on with the right word only", async () => {
    const said: string[] = [];
    const asked: string[] = [];
    const answering = (answer: string): Parameters<typeof confirm>[0] => ({
      say: (line) => said.push(line),
      ask: (text) => {
        asked.push(text);
        return Promise.resolve(answer);
      },
    });

    await confirm(answering("dev\n"), question);
    assert.deepEqual(said, ["  the logs would be lost"]);
    assert.deepEqual(asked, ["destroy dev: type dev to go on: "]);
    for (const answer of ["", "y", "yes", "prod"]) {
      await assert.rejects(
        confirm(answering(answer), question),
        new PreconditionError("Nothing has been changed."),
      );
    }
  });

  it("refuses where there is nobody", async () => {
    await assert.rejects(
      confirm({ say: () => undefined, ask: undefined }, question),
      /destroy dev needs --yes/,
    );
  });
});
