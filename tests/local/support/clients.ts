/** Clients of a stack, built on Node's HTTP and on ws, which show the unchanged responses. */
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends one request, and resolves with the whole reply. It accepts the stack's certificate. */
export async function ask(url: string, options: RequestOptions = {}, body = ""): Promise<Reply> {
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = send(url.replace("localhost", "127.0.0.1"), {
    agent: false,
    rejectUnauthorized: false,
    ...options,
  });
  request.end(body);
  const response = await new Promise<Parameters<Parameters<typeof httpRequest>[2] & object>[0]>(
    (resolve, reject) => {
      request.on("response", resolve).on("error", reject);
    },
  );
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

export interface GreetedClient extends Disposable {
  readonly socket: WebSocket;
  /** The process id, which is the first message of the fixture server. */
  readonly pid: number;
}

/** Opens a connection, and waits for the first message. */
export async function connect(url: string, headers: Record<string, string> = {}): Promise<GreetedClient> {
  const socket = new WebSocket(url.replace("localhost", "127.0.0.1"), {
    rejectUnauthorized: false,
    headers,
  });
  const [greeting] = (await once(socket, "message")) as [Buffer]; // ws declares its events for listeners only.
  return {
    socket,
    pid: Number(greeting.toString()),
    [Symbol.dispose]() {
      socket.terminate();
    },
  };
}

/** The status of the response to an upgrade that is refused. */
export async function refusedUpgrade(url: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(url.replace("localhost", "127.0.0.1"), { rejectUnauthorized: false, headers });
  socket.on("error", () => undefined);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }]; // As above.
  socket.terminate();
  return response.statusCode;
}

/** Whether this machine has the address `::1`. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some(({ address }) => address === "::1"),
  );
}
