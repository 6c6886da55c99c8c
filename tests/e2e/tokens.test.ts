import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { once } from "node:events";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { launchBrowser } from "../support/browser.ts";
import { connectTo, startStack, TrustingWebSocket, type StackProcess } from "../support/localStack.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** A folder for screenshots; none are made without it. */
const SCREENSHOTS = process.env["SCREENSHOTS"];

/** A stack that requires the tokens of another issuer. */
const DECLARED = {
  access: "token",
  jwksUrl: "https://issuer.example/jwks.json",
  jwtIssuer: "https://issuer.example/",
  jwtAudience: "chat",
  jwtSubscribeClaim: "https://issuer.example/read",
};

describe("npm start with --tokens", function () {
  this.timeout(60_000);

  let stack: StackProcess;

  before(async function () {
    const config = Object.entries(DECLARED).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    stack = await startStack("--tasks", "1", "--tokens", ...config);
    atSuiteEnd(this, () => stack.close());
  });

  it("reports that development tokens replace the declared ones", () => {
    const event = stack.events.find(({ event: name }) => name === "tokens-required");
    assert.partialDeepStrictEqual(event, {
      issuer: "development",
      isDevelopment: true,
      declaredAccess: "token",
    });
  });

  it("refuses a client without a token", async () => {
    await assert.rejects(connectTo(stack.urls.websocket), /Unexpected server response: 401/);
  });

  it("admits a client with a token of npm run token, as a browser sends it, and names its user", async () => {
    const token = await tokenOf("--user", "alice", "--subscribe", "room.*", "--publish", "room.*");
    const socket = new TrustingWebSocket(stack.urls.websocket, ["channels.v1", `bearer.${token}`]);
    const next = async (): Promise<unknown> => {
      const [data] = (await once(socket, "message")) as [Buffer];
      return JSON.parse(data.toString());
    };
    assert.partialDeepStrictEqual(await next(), { connection: "ok", user: "alice" });
    socket.send('{"subscribe":"room.7"}');
    assert.partialDeepStrictEqual(await next(), { subscribed: "room.7" });
    socket.send('{"subscribe":"news"}');
    assert.partialDeepStrictEqual(await next(), { error: { code: "forbidden", channel: "news" } });
    socket.close();
    await once(socket, "close");
  });

  it("passes the load test with a token in TOKEN only", async () => {
    const token = await tokenOf("--subscribe", "*", "--publish", "*");
    const args = ["load-test/main.ts", stack.urls.websocket, "--total", "3"];
    const load = (variables: Readonly<Record<string, string>>) =>
      promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...variables } });
    const { stdout } = await load({ TOKEN: token });
    assert.match(stdout, /3 connected, 0 failed/);
    assert.ok(!stdout.includes(token));
    await assert.rejects(load({ TOKEN: "" }), {
      stdout: /http 401 +3 +no token, or one that is not valid/,
    });
  });

  it("admits the console with a token in its field, and shows the user", async function () {
    await using browser = await launchBrowser(this);
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(stack.urls.page);
    const log = page.getByRole("log");
    const connect = page.getByRole("button", { name: "Connect", exact: true });
    await page.getByLabel("Token, if required").fill("no-token");
    await connect.click();
    await log.getByText("The token is not valid.").waitFor();

    const token = await tokenOf("--user", "alice", "--subscribe", "/", "--publish", "/");
    await page.getByLabel("Token, if required").fill(token);
    await connect.click();
    await log.getByText(/ as alice$/).waitFor();
    await page.getByLabel("Message, as JSON").fill('"Hello"');
    await page.getByRole("button", { name: "Send" }).click();
    await log.getByText(/^yours, #\d+/).waitFor();
    if (SCREENSHOTS !== undefined)
      await page.screenshot({ path: path.join(SCREENSHOTS, "console-token.png") });
  });
});

async function tokenOf(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("npm", ["run", "--silent", "token", "--", ...args], {
    cwd: ROOT,
  });
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return stdout.trim();
}
