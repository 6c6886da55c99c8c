/**
 * A server with the Valkey commands and scripts of the message log, in this process. It has one user, keeps its data in memory, and
 * supports RESP2 without TLS.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type BlockingRead, execute, CONNECTION_REPLIES, isDataCommand, parseRead } from "./commands.ts";
import { CommandError, CommandParser, encodeError, encodeReply, OK, type Reply } from "./resp.ts";
import { createScripts } from "./scripts.ts";
import { KeyStore } from "./store.ts";

/** The only user that may connect. */
export interface StandInUser {
  readonly name: string;
  readonly password: string;
  /** The access string, such as `-@all +xadd +client|setname`. Its key patterns are ignored. */
  readonly access: string;
}

export interface ValkeyStandIn {
  readonly port: number;
  /** Destroys all connections. Idempotent. */
  close(): Promise<void>;
}

/** Commands that a client may send before it is authenticated. */
const BEFORE_AUTH = ["auth", "quit"];
/** Commands whose subcommands have permissions of their own. */
const CONTAINER_COMMANDS = new Set([
  ...["acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module", "object"],
  ...["pubsub", "script", "slowlog", "xgroup", "xinfo"],
]);
const LOOPBACK = "127.0.0.1";
const SLOTS = 16_384;
const NODE_ID = "0".repeat(40);

/** A client that waits for new entries. */
interface WaitingClient {
  readonly read: BlockingRead;
  readonly respond: (reply: Reply) => void;
}

/** @param listenPort 0 for any free port. */
export async function startStandIn(user: StandInUser, listenPort = 0): Promise<ValkeyStandIn> {
  const store = new KeyStore();
  const scripts = await createScripts();
  const sockets = new Set<Socket>();
  const waiting = new Set<WaitingClient>();
  const allowed = new Set(user.access.split(" "));
  let port = 0;

  /** @returns why the user may not run the command; `undefined` if it may. */
  function describeDenial(name: string, [word]: readonly string[]): string | undefined {
    const whole = CONTAINER_COMMANDS.has(name) ? `${name}|${word?.toLowerCase() ?? ""}` : name;
    if (["+@all", `+${name}`, `+${whole}`].some((permission) => allowed.has(permission))) return undefined;
    return `User ${user.name} has no permissions to run the '${whole}' command`;
  }

  function run(name: string, args: readonly string[]): Reply {
    const problem = describeDenial(name, args);
    if (problem !== undefined) throw new CommandError(`NOPERM ${problem}`);
    switch (name) {
      case "eval":
      case "evalsha":
        return scripts.run(name, args, runInScript);
      case "cluster":
        return args[0]?.toLowerCase() === "slots"
          ? [[0, SLOTS - 1, [LOOPBACK, port, NODE_ID]]]
          : "cluster_state:ok\r\n";
      default:
        return CONNECTION_REPLIES[name] ?? execute(store, name, args);
    }
  }

  /** A script may run the commands on keys only, as in ElastiCache Serverless. */
  function runInScript(name: string, args: readonly string[]): Reply {
    const problem = describeDenial(name, args);
    if (problem !== undefined) throw new CommandError(`ERR ACL failure in script: ${problem}`);
    if (!isDataCommand(name)) throw new CommandError("ERR This Valkey command is not allowed from script");
    return execute(store, name, args);
  }

  /** Responds to the waiting clients that have new entries now. */
  function respondToWaiting(): void {
    for (const reader of waiting) {
      const reply = reader.read.read();
      if (reply !== null) reader.respond(reply);
    }
  }

  function serve(socket: Socket): void {
    const parser = new CommandParser();
    const queue: (readonly string[])[] = [];
    let isAuthenticated = false;
    let reader: WaitingClient | undefined;
    let timer: NodeJS.Timeout | undefined;

    function authenticate(words: readonly string[]): Reply {
      const [name = "default", given] = words.length === 1 ? ["default", words[0]] : words;
      if (name !== user.name || given !== user.password) {
        throw new CommandError("WRONGPASS invalid username-password pair or user is disabled.");
      }
      isAuthenticated = true;
      return OK;
    }

    function wait(read: BlockingRead): void {
      reader = {
        read,
        respond(reply) {
          stopWaiting();
          socket.write(encodeReply(reply));
          processQueue();
        },
      };
      waiting.add(reader);
      const { blockMs = 0 } = read;
      if (blockMs > 0) {
        timer = setTimeout(() => {
          reader?.respond(null);
          respondToWaiting();
        }, blockMs);
      }
    }

    function stopWaiting(): void {
      clearTimeout(timer);
      if (reader !== undefined) waiting.delete(reader);
      reader = undefined;
    }

    /** @returns `undefined` if the reply follows later. */
    function runCommand([word = "", ...args]: readonly string[]): string | undefined {
      const name = word.toLowerCase();
      try {
        if (!isAuthenticated && !BEFORE_AUTH.includes(name)) {
          throw new CommandError("NOAUTH Authentication required.");
        }
        if (name === "auth") return encodeReply(authenticate(args));
        if (name === "quit") {
          socket.end();
          return encodeReply(OK);
        }
        const reply = run(name, args);
        const read = name === "xread" && reply === null ? parseRead(store, args) : undefined;
        if (read?.blockMs === undefined) return encodeReply(reply);
        wait(read);
        return undefined;
      } catch (error) {
        if (error instanceof CommandError) return encodeError(error);
        throw error;
      }
    }

    function processQueue(): void {
      const replies: string[] = [];
      while (reader === undefined) {
        const command = queue.shift();
        if (command === undefined) break;
        const reply = runCommand(command);
        if (reply !== undefined) replies.push(reply);
      }
      if (replies.length > 0 && !socket.destroyed) socket.write(replies.join(""));
    }

    sockets.add(socket);
    socket.setNoDelay();
    socket.on("error", () => undefined);
    socket.on("close", () => {
      stopWaiting();
      sockets.delete(socket);
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        queue.push(...parser.push(chunk));
      } catch {
        // After invalid bytes, the start of the next command is unknown.
        socket.destroy();
        return;
      }
      processQueue();
      respondToWaiting();
    });
  }

  const server = createServer(serve);
  server.listen(listenPort, LOOPBACK);
  await once(server, "listening");
  const address = server.address();
  if (typeof address === "object" && address !== null) ({ port } = address);

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    scripts.close();
  }
  return {
    port,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
