/** Clients of a stack, with the bare means that show what really comes back. */
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

/** One request, and its reply whole. The certificate is the stack's own. */
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

export interface Talker extends Disposable {
  readonly socket: WebSocket;
  /** The fixture server's first message: its process id. */
  readonly pid: number;
}

/** An open connection, greeted. */
export async function connect(url: string, headers: Record<string, string> = {}): Promise<Talker> {
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

/** The status that a refused upgrade was answered with. */
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
