import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { CloseCode } from "../../app/src/protocol.ts";
import { settingDefinitions } from "../../app/src/settings.ts";
import { Client, startServer, tearDown } from "./support.ts";

const document = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

describe("PROTOCOL.md", () => {
  afterEach(tearDown);

  const transcripts = Array.from(document.matchAll(/```transcript\n(.*?)```/gs), ([, lines]) => lines ?? "");

  it("has transcripts", () => {
    assert.ok(transcripts.length >= 2);
  });

  for (const transcript of transcripts) {
    const lines = transcript.trimEnd().split("\n");
    it(`tells the truth: ${lines[1] ?? ""}`, async () => {
      const { url } = await startServer();
      const client = new Client(url);
      for (const line of lines) {
        if (line.startsWith("> ")) client.webSocket.send(line.slice(2));
        else assert.equal(await client.next(), line.slice(2));
      }
    });
  }

  it("lists every close code that the server names", () => {
    for (const code of Object.values(CloseCode)) assert.match(document, new RegExp(`^\\| ${code} \\|`, "m"));
  });

  it("gives the defaults that hold", () => {
    const rows = Array.from(document.matchAll(/^\| `(WEBSOCKET_\w+)` +\| +(\d+) \|/gm));
    assert.ok(rows.length >= 7);
    for (const [, variable, value] of rows) {
      const definition = Object.values(settingDefinitions).find((known) => known.variable === variable);
      assert.equal(String(definition?.default), value, variable);
    }
  });
});
