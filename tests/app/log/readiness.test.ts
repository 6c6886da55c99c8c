/** The health check of a task whose Valkey is unavailable or refuses commands. */
import assert from "node:assert/strict";

import { FORMAT_KEY } from "../../../app/src/log/valkey/connection/partitions.ts";
import { USER_NAME } from "../../../infra/components/backplane/valkeyAccess.ts";
import { requireValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { runServer } from "../support/processes.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

describe("readiness, with a Valkey", () => {
  let valkey: TestValkey;

  beforeEach(async function () {
    valkey = await startValkey(await requireValkey(this));
    afterwards(() => valkey.close());
  });

  afterEach(tearDown);

  const start = (password = valkey.address.password): ReturnType<typeof runServer> =>
    runServer({
      WEBSOCKET_VALKEY_URL: valkey.address.url,
      WEBSOCKET_VALKEY_PASSWORD: String(password),
      WEBSOCKET_PUBLISH_TIMEOUT_SECONDS: "1",
    });

  const answer = async (port: number, path = "/health"): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${response.status} ${await response.text()}`;
  };

  const isReady = (port: number) => async (): Promise<boolean> => (await answer(port)) === "200 Ok";

  const notReady = (line: string): boolean => line.includes("not ready: the message log does not answer");

  it("begins when Valkey has answered, and does not end with it", async () => {
    await valkey.kill();
    const child = await start();
    const { port } = child;
    for (const path of ["/", "/health"]) assert.equal(await answer(port, path), "503 Starting", path);
    await valkey.start();
    await waitUntil(isReady(port));
    const away = child.line((text) => text.includes("Valkey is away"));
    await valkey.kill();
    await away;
    for (const path of ["/", "/health"]) assert.equal(await answer(port, path), "200 Ok", path);
  });

  it("does not begin with a wrong password, which is logged once per connection", async () => {
    const child = await start("wrong");
    await child.line(notReady);
    assert.equal(await answer(child.port), "503 Starting");
    child.kill("SIGTERM");
    const { output } = await child.ended;
    assert.equal(output.match(/does not accept the user or the password/g)?.length, 2);
    assert.equal(output.match(/not ready/g)?.length, 1);
  });

  it("ends if Valkey has a log of another format, which is logged", async () => {
    await valkey.command("HSET", FORMAT_KEY, "version", 1, "partitions", 64);
    const child = await start();
    const { code, output } = await child.ended;
    assert.equal(code, 1);
    assert.match(output, /format 1 with 64 partitions; expected format 2 with 64 partitions/);
  });

  for (const [part, commands] of Object.entries({
    open: ["eval", "evalsha"],
    append: ["xadd"],
    read: ["xrevrange"],
  })) {
    it(`does not begin while Valkey refuses a command to ${part}, which is logged`, async () => {
      const permit = (sign: string): Promise<unknown> =>
        valkey.command("ACL", "SETUSER", USER_NAME, ...commands.map((command) => sign + command));
      await permit("-");
      const child = await start();
      const [command = ""] = commands;
      await child.line((text) => text.includes(`no permissions to run the '${command}`));
      assert.equal(await answer(child.port), "503 Starting");
      await permit("+");
      await waitUntil(isReady(child.port));
    });
  }
});
