/** The server of the Socket.IO example, without a stack. */
import assert from "node:assert/strict";
import { BACKPLANES, startBackplane } from "./support/backplanes.ts";
import {
  checkTypes,
  INSTALL_TIMEOUT_MS,
  installServer,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";
import { connectChat, SOCKET_IO } from "./support/socketIoClient.ts";

const urlOf = ({ port }: ServerProcess): string => `http://127.0.0.1:${port}`;

describe("the server of examples/socket.io", function () {
  this.timeout(40_000);

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(SOCKET_IO);
  });

  it("has no type errors", () => checkTypes(SOCKET_IO));

  it("needs no backplane with one task, and refuses messages that are out of bounds", async () => {
    await using server = await startServer(SOCKET_IO);
    using client = connectChat(urlOf(server), "websocket");
    await client.connected();
    assert.equal(await client.send(""), false);
    assert.equal(await client.send("x".repeat(1001)), false);
    assert.equal(await client.send("first"), true);
    assert.equal((await client.next()).text, "first");
  });

  for (const kind of BACKPLANES) {
    it(`shares messages and the state of its clients through Valkey (${kind})`, async function () {
      await using backplane = await startBackplane(this, kind);
      await using one = await startServer(SOCKET_IO, backplane.environment);
      await using other = await startServer(SOCKET_IO, backplane.environment);

      using client = connectChat(urlOf(one), "websocket");
      using sender = connectChat(urlOf(other), "polling");
      assert.notEqual(await client.connected(), await sender.connected());
      assert.equal(await sender.send("first"), true);
      assert.equal((await client.next()).text, "first");

      client.move(urlOf(other));
      const ended = one.terminate();
      assert.equal(await client.disconnected(), "transport close");
      assert.equal(await sender.send("while the client is away"), true);
      assert.equal((await client.next()).text, "while the client is away");
      assert.equal(client.hasRecovered(), true);
      assert.equal(await ended, 0);
    });
  }
});
