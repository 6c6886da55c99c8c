import assert from "node:assert/strict";
import { renderReadme } from "../../infra/readme.ts";

describe("the README of a stack", () => {
  const page =
    "# Title\n\nAt ${outputs.a}.\n\n| What | Where |\n| --- | --- |\n| a | ${outputs.a} |\n| b | ${outputs.b} |\n\nAt ${outputs.a} and ${outputs.b}.\n";

  it("is complete if the stack has all outputs", () => {
    assert.equal(renderReadme(page, ["a", "b"]), page);
  });

  it("omits the rows and paragraphs that name other outputs", () => {
    assert.equal(
      renderReadme(page, ["a"]),
      "# Title\n\nAt ${outputs.a}.\n\n| What | Where |\n| --- | --- |\n| a | ${outputs.a} |",
    );
  });
});
