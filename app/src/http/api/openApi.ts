/** The description of the HTTP API. @see https://spec.openapis.org/oas/v3.1.1.html */
import { MAX_EPOCH_BYTES, MAX_ID_BYTES } from "../../wire/messages.ts";
import { MAX_WIRE_NAME } from "../../wire/channelName.ts";
import { PROBLEM_TYPE } from "../problem.ts";
import { DEFAULT_MESSAGES, MAX_MESSAGES } from "./parameters.ts";
import { JSON_TYPE, MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, NDJSON_TYPE } from "./publish/publishing.ts";
import { API_KEY_HEADER } from "./requesters.ts";

const EVENTS_TYPE = "text/event-stream";

const OFFSET = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const EPOCH = { type: "string", description: "Identifies a sequence of offsets." };

const PATTERN = { type: "string", description: "A channel, or a prefix that ends with *." };

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function json(description: string, schema: object) {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

const PROBLEM_DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: "The request is malformed.",
  401: "There is no API key or token, or it is not valid.",
  403: "The token does not grant the channel, or the origin of the page is not allowed.",
  409: "Another message with this key is stored.",
  413: "The body is too large.",
  415: "The body has another type.",
  422: "The application refuses the message. It chooses the code.",
  429: "The user has reached a limit.",
  500: "The server has failed.",
  503: "The server cannot answer now. The request can be sent again with the same key.",
};

function problems(...statuses: readonly number[]) {
  return Object.fromEntries(
    statuses.map((status) => [
      String(status),
      {
        description: PROBLEM_DESCRIPTIONS[status] ?? "",
        content: { [PROBLEM_TYPE]: { schema: ref("Problem") } },
      },
    ]),
  );
}

function query(name: string, schema: object, description: string) {
  return { name, in: "query", required: false, schema, description };
}

const COUNT = { type: "integer", minimum: 1, maximum: MAX_MESSAGES, default: DEFAULT_MESSAGES };

const CHANNEL = {
  name: "channel",
  in: "path",
  required: true,
  schema: { type: "string", maxLength: MAX_WIRE_NAME, pattern: "^([A-Za-z0-9._~-]{1,64}|/)$" },
  description: "Name of the channel. The default channel is /, which is %2F in a path.",
};

const publishOperation = {
  operationId: "publish",
  summary: "Publishes a message, or many.",
  parameters: [
    CHANNEL,
    {
      name: "Idempotency-Key",
      in: "header",
      required: false,
      schema: { type: "string", minLength: 1, maxLength: MAX_ID_BYTES },
      description: "Id of the message. A message is stored once for each id. For a JSON body only.",
    },
  ],
  requestBody: {
    required: true,
    content: {
      [JSON_TYPE]: { schema: { description: "The published value: any JSON." } },
      [NDJSON_TYPE]: {
        schema: {
          type: "string",
          description: `At most ${MAX_BATCH_MESSAGES} lines and ${MAX_BATCH_BYTES} bytes. Each line is a BatchMessage.`,
        },
      },
    },
  },
  responses: {
    "200": {
      description: "The message had been stored before, or the answers to the lines of NDJSON.",
      content: {
        [JSON_TYPE]: { schema: ref("Position") },
        [NDJSON_TYPE]: {
          schema: {
            type: "string",
            description: "Each line is a Position or a Problem, in the order of the messages.",
          },
        },
      },
    },
    "201": json("The message is stored.", ref("Position")),
    ...problems(400, 401, 403, 409, 413, 415, 422, 429, 500, 503),
  },
};

const readOperation = {
  operationId: "read",
  summary: "Returns retained messages, or follows the channel.",
  description:
    "Without `epoch` and `offset`, it returns the last messages; with them, the messages after the position.",
  parameters: [
    CHANNEL,
    query("last", COUNT, "Number of the last messages. An event stream has none by default."),
    query("epoch", { type: "string", minLength: 1, maxLength: MAX_EPOCH_BYTES }, "Epoch of the position."),
    query("offset", OFFSET, "Offset of the last message that is not returned."),
    query("limit", COUNT, "Maximum number of messages after the position."),
    {
      name: "Last-Event-ID",
      in: "header",
      required: false,
      schema: { type: "string" },
      description: "Id of the last event, from which an event stream resumes: EPOCH-OFFSET.",
    },
  ],
  responses: {
    "200": {
      description:
        "The messages, or a stream of events, whose data is a Message or, in the event `gap`, a Gap.",
      content: {
        [JSON_TYPE]: { schema: ref("History") },
        [EVENTS_TYPE]: { schema: { type: "string" } },
      },
    },
    ...problems(400, 401, 403, 429, 500, 503),
  },
};

const disconnectOperation = {
  operationId: "disconnect",
  summary: "Closes the connections of a user to the task that answers.",
  security: [{ apiKey: [] }],
  parameters: [
    {
      name: "user",
      in: "path",
      required: true,
      schema: { type: "string" },
      description: "Subject of the user's token.",
    },
  ],
  responses: {
    "200": json("The connections are closed.", ref("Disconnected")),
    ...problems(400, 401, 500),
  },
};

const whoAmIOperation = {
  operationId: "whoAmI",
  summary: "Returns the user and the rights of the sender.",
  responses: {
    "200": json("The sender, as the server identifies it.", ref("WhoAmI")),
    ...problems(401, 403, 429, 500, 503),
  },
};

/** The answer to `GET /openapi.json`. */
export const OPEN_API = {
  openapi: "3.1.1",
  info: {
    title: "HTTP beside the WebSocket",
    version: "1.0.0",
    description: "Publish, read and follow channels. The rights and limits are those of the WebSocket.",
  },
  // Clients need no token if the access of the stack is open.
  security: [{ apiKey: [] }, { token: [] }, {}],
  paths: {
    "/channels/{channel}/messages": { get: readOperation, post: publishOperation },
    "/users/{user}/connections": { delete: disconnectOperation },
    "/whoami": { get: whoAmIOperation },
  },
  components: {
    securitySchemes: {
      apiKey: { type: "apiKey", in: "header", name: API_KEY_HEADER, description: "For backends." },
      token: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "For clients." },
    },
    schemas: {
      Position: {
        type: "object",
        required: ["epoch", "offset"],
        additionalProperties: false,
        properties: {
          epoch: EPOCH,
          offset: { ...OFFSET, minimum: 1 },
          duplicate: { const: true, description: "The message had been stored before." },
        },
      },
      Message: {
        type: "object",
        required: ["offset", "message"],
        additionalProperties: false,
        properties: {
          offset: { ...OFFSET, minimum: 1 },
          message: { description: "The published value: any JSON." },
          from: { type: "string", description: "Subject of the publisher's token." },
        },
      },
      BatchMessage: {
        type: "object",
        required: ["message"],
        properties: {
          message: { description: "The published value: any JSON." },
          id: { type: "string", minLength: 1, maxLength: MAX_ID_BYTES },
        },
      },
      Gap: {
        type: "object",
        required: ["epoch", "from"],
        additionalProperties: false,
        properties: {
          epoch: EPOCH,
          from: { ...OFFSET, description: "Offset of the first missing message." },
          to: { ...OFFSET, description: "Offset of the last missing message, if it is known." },
        },
      },
      History: {
        type: "object",
        required: ["epoch", "messages"],
        additionalProperties: false,
        properties: {
          epoch: EPOCH,
          messages: { type: "array", items: ref("Message") },
          gap: ref("Gap"),
          more: { const: true, description: "There are later messages." },
        },
      },
      Disconnected: {
        type: "object",
        required: ["disconnected"],
        additionalProperties: false,
        properties: { disconnected: { type: "integer", minimum: 0 } },
      },
      WhoAmI: {
        type: "object",
        required: ["subscribe", "publish"],
        additionalProperties: false,
        properties: {
          user: { type: "string", description: "Subject of the token." },
          subscribe: { type: "array", items: PATTERN },
          publish: { type: "array", items: PATTERN },
          expiresAt: { type: "number", description: "Milliseconds since 1970." },
        },
      },
      Problem: {
        type: "object",
        required: ["type", "title", "status", "detail", "code"],
        additionalProperties: false,
        properties: {
          type: { const: "about:blank" },
          title: { type: "string" },
          status: { type: "integer", minimum: 400, maximum: 599 },
          detail: { type: "string", description: "For developers. It can change in any release." },
          code: { type: "string", pattern: "^[a-z_]{1,64}$" },
        },
      },
    },
  },
} as const;
