import assert from "node:assert/strict";
import { endToEnd, fromRaw } from "../../../local/model/headers.ts";

describe("end-to-end headers", () => {
  it("keep order, case and repetition, without the hop-by-hop fields", () => {
    const raw = [
      "B",
      "1",
      "a",
      "2",
      "B",
      "3",
      "Connection",
      "keep-alive, X-One",
      "x-one",
      "4",
      "TE",
      "trailers",
    ];
    assert.deepEqual(endToEnd(fromRaw(raw)), [
      ["B", "1"],
      ["a", "2"],
      ["B", "3"],
    ]);
  });

  it("contain Content-Length and Host even if the Connection field lists them", () => {
    const raw = [
      "Connection",
      "Content-Length, host,X-One",
      "content-length",
      "3",
      "Host",
      "h",
      "X-One",
      "1",
    ];
    assert.deepEqual(endToEnd(fromRaw(raw)), [
      ["content-length", "3"],
      ["Host", "h"],
    ]);
  });
});
