/** The OpenAPI document, against real answers. */
import assert from "node:assert/strict";
import Ajv from "ajv";

import { OPEN_API } from "../../../../app/src/http/api/openApi.ts";
import { memoryLog } from "../../support/logs.ts";
import { startServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { authorizer, createKey, sign, startKeyServer } from "../../support/tokens.ts";
import { API_KEYS, KEY, messagesOf, post, send } from "./apiClient.ts";
import type { Answer } from "./apiClient.ts";
import { follow } from "./eventClient.ts";

type SchemaName = keyof typeof OPEN_API.components.schemas;

const MESSAGES = "/channels/{channel}/messages";
const NDJSON = { "Content-Type": "application/x-ndjson" };

const ajv = new Ajv({ unknownFormats: "ignore", schemaId: "auto" });
ajv.addSchema({ $id: "openapi", ...OPEN_API }, "openapi");

function check(schema: SchemaName, value: unknown): void {
  assert.ok(
    ajv.validate({ $ref: `openapi#/components/schemas/${schema}` }, value),
    `${schema} ${JSON.stringify(value)}: ${ajv.errorsText()}`,
  );
}

/** Checks that an operation describes the answer, and that the answer is as it describes. */
function checkAnswer(path: string, method: string, { status, headers, body }: Answer): void {
  const paths = OPEN_API.paths as Readonly<
    Record<string, Readonly<Record<string, { readonly responses: object }>>>
  >;
  const operation = paths[path]?.[method] ?? assert.fail(`${method} ${path} is not described`);
  const responses = operation.responses as Readonly<
    Record<
      string,
      { readonly content: Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>> }
    >
  >;
  const type = headers.get("content-type")?.split(";")[0] ?? "";
  const described = responses[String(status)]?.content[type];
  assert.ok(described !== undefined, `${method} ${path}: ${status} ${type} is not described`);
  const { $ref } = described.schema;
  if ($ref !== undefined) check($ref.slice("#/components/schemas/".length) as SchemaName, body);
}

describe("the OpenAPI document", () => {
  afterEach(tearDown);

  it("is served to every page", async () => {
    const { origin } = await startServer();
    const { status, headers, body } = await send(`${origin}/openapi.json`, {
      headers: { Origin: "https://x.example" },
    });
    assert.equal(status, 200);
    assert.equal(headers.get("access-control-allow-origin"), "*");
    assert.deepEqual(body, OPEN_API);
    assert.match(OPEN_API.openapi, /^3\.1\./);
  });

  it("has no reference to a schema that it lacks", () => {
    const names = [...JSON.stringify(OPEN_API).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name ?? "",
    );
    assert.ok(names.length > 0);
    for (const name of names) assert.ok(Object.hasOwn(OPEN_API.components.schemas, name), name);
  });

  it("describes the answers to a publish", async () => {
    const { origin } = await startServer({
      maxPayloadBytes: 1024,
      messageBurst: 7,
      messagesPerSecond: 1,
      apiKeys: API_KEYS,
    });
    const url = messagesOf(origin);
    const key = { "Idempotency-Key": "a" };
    const answers = [
      await post(url, "1", key),
      await post(url, "1", key),
      await post(url, "2", key),
      await post(url, "{"),
      await post(url, `"${"x".repeat(2000)}"`),
      await post(url, "1", { "Content-Type": "text/plain" }),
      await post(url, "1", { "X-Api-Key": "wrong" }),
      await post(url, '{"message":1,"id":"a"}\n{', { ...NDJSON, "X-Api-Key": KEY }),
      await post(url, "1"),
      await post(url, "1"),
    ];
    for (const answer of answers) checkAnswer(MESSAGES, "post", answer);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 200, 409, 400, 413, 415, 401, 200, 201, 429],
    );
    const lines = (answers[7]?.body as string)
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    check("Position", lines[0]);
    check("Problem", lines[1]);
  });

  it("describes retained messages and events", async () => {
    const server = await startServer({}, { log: memoryLog(100) });
    let epoch = "";
    for (let n = 0; n < 5; n++) {
      ({ epoch } = await server.hub.publish({
        channel: "room.7",
        payload: `"${"x".repeat(40)}"`,
        publisher: "alice",
      }));
    }
    const url = messagesOf(server.origin);
    for (const query of [
      "",
      "?last=1",
      `?epoch=${epoch}&offset=0&limit=1`,
      "?epoch=other&offset=0",
      "?last=0",
    ]) {
      checkAnswer(MESSAGES, "get", await send(`${url}${query}`));
    }
    const stream = await follow(url, { "Last-Event-ID": `${epoch}-0` });
    check("Gap", (await stream.next()).data);
    check("Message", (await stream.next()).data);
  });

  it("describes the sender", async () => {
    const key = await createKey("a");
    const { url } = await startKeyServer(key);
    const { origin } = await startServer({}, { authorize: authorizer(url) });
    const headers = { Authorization: `Bearer ${await sign(key, { sub: "alice" })}` };
    checkAnswer("/whoami", "get", await send(`${origin}/whoami`, { headers }));
    checkAnswer("/whoami", "get", await send(`${origin}/whoami`));
  });

  it("describes the answers to a disconnect, and refusals", async () => {
    const key = await createKey("a");
    const keys = await startKeyServer(key);
    const { origin } = await startServer({ apiKeys: API_KEYS }, { authorize: authorizer(keys.url) });
    const url = `${origin}/users/alice/connections`;
    const path = "/users/{user}/connections";
    checkAnswer(path, "delete", await send(url, { method: "DELETE" }));
    checkAnswer(path, "delete", await send(url, { method: "DELETE", headers: { "X-Api-Key": KEY } }));
    const headers = { Authorization: `Bearer ${await sign(key, { channels: [] })}` };
    const refused = await send(messagesOf(origin), { headers });
    assert.equal(refused.status, 403);
    checkAnswer(MESSAGES, "get", refused);
    checkAnswer(MESSAGES, "get", await send(messagesOf(origin, "a%20b"), { headers }));
    checkAnswer(MESSAGES, "post", await post(messagesOf(origin), "1", headers));
  });
});
