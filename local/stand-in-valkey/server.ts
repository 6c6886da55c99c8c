/**
 * A server with the Valkey commands of the message log and the examples, in this process. It has one user, keeps its data in memory,
 * and supports RESP2 without TLS.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type BlockingRead, execute, CONNECTION_REPLIES, isDataCommand, parseRead } from "./commands.ts";
import { channelsOf, PubSub } from "./channels.ts";
import { isAllowed, isAllowedChannel, permissionName } from "./permissions.ts";
import { CommandError, CommandParser, encodeError, encodeReply, NULL_ARRAY, OK, type Reply } from "./resp.ts";
import { createScripts } from "./scripts.ts";
import { KeyStore } from "./store.ts";

/** The only user that may connect. */
export interface StandInUser {
  readonly name: string;
  readonly password: string;
  /** The access string, such as `-@all +@read +client|setname &news:*`. Its key patterns are ignored. */
  readonly access: string;
}

export interface ValkeyStandIn {
  readonly port: number;
  /** Destroys all connections. Idempotent. */
  close(): Promise<void>;
}

/** Commands that a client may send before it is authenticated. */
const BEFORE_AUTH = ["auth", "quit"];
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
  const pubSub = new PubSub();
  const access = user.access.split(" ");
  let port = 0;

  /** @returns why the user may not run the command; `undefined` if it may. */
  function describeDenial(name: string, args: readonly string[]): string | undefined {
    const permission = permissionName(name, args);
    if (!isAllowed(access, permission)) {
      return `User ${user.name} has no permissions to run the '${permission}' command`;
    }
    const isRefused = channelsOf(name, args).some((channel) => !isAllowedChannel(access, channel));
    return isRefused ? "No permissions to access a channel" : undefined;
  }

  function requirePermission(name: string, args: readonly string[]): void {
    const problem = describeDenial(name, args);
    if (problem !== undefined) throw new CommandError(`NOPERM ${problem}`);
  }

  function run(name: string, args: readonly string[]): Reply {
    switch (name) {
      case "eval":
      case "evalsha":
        return scripts.run(name, args, runInScript);
      case "cluster":
        return args[0]?.toLowerCase() === "slots"
          ? [[0, SLOTS - 1, [LOOPBACK, port, NODE_ID]]]
          : "cluster_state:ok\r\n";
      default:
        return pubSub.run(name, args) ?? CONNECTION_REPLIES[name] ?? execute(store, name, args);
    }
  }

  /** A script may run the commands on keys, as in ElastiCache Serverless, and publish. */
  function runInScript(name: string, args: readonly string[]): Reply {
    const problem = describeDenial(name, args);
    if (problem !== undefined) throw new CommandError(`ERR ACL failure in script: ${problem}`);
    if (isDataCommand(name)) return execute(store, name, args);
    const reply = name.endsWith("publish") ? pubSub.run(name, args) : undefined;
    if (reply === undefined) throw new CommandError("ERR This Valkey command is not allowed from script");
    return reply;
  }

  /** Responds to the waiting clients that have new entries now. */
  function respondToWaiting(): void {
    for (const reader of waiting) {
      const reply = reader.read.read();
      if (reply !== NULL_ARRAY) reader.respond(reply);
    }
  }

  function serve(socket: Socket): void {
    const parser = new CommandParser();
    const queue: (readonly string[])[] = [];
    let isAuthenticated = false;
    let reader: WaitingClient | undefined;
    let timer: NodeJS.Timeout | undefined;
    /** The commands since MULTI. */
    let transaction: (readonly [name: string, args: readonly string[]])[] | undefined;

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
          reader?.respond(NULL_ARRAY);
          respondToWaiting();
        }, blockMs);
      }
    }

    function stopWaiting(): void {
      clearTimeout(timer);
      if (reader !== undefined) waiting.delete(reader);
      reader = undefined;
    }

    /** Runs a command that changes the state of the connection. @returns `undefined` for other commands. */
    function runConnectionCommand(name: string, args: readonly string[]): string | undefined {
      if (name === "multi") {
        transaction = [];
        return encodeReply(OK);
      }
      if (name === "exec" || name === "discard") {
        const commands = transaction;
        transaction = undefined;
        if (commands === undefined) throw new CommandError(`ERR ${name.toUpperCase()} without MULTI`);
        if (name === "discard") return encodeReply(OK);
        return `*${commands.length}\r\n${commands.map(runInTransaction).join("")}`;
      }
      if (transaction !== undefined) {
        transaction.push([name, args]);
        return encodeReply({ status: "QUEUED" });
      }
      return pubSub.change(socket, name, args)?.map(encodeReply).join("");
    }

    function runInTransaction([name, args]: readonly [string, readonly string[]]): string {
      try {
        return encodeReply(run(name, args));
      } catch (error) {
        if (error instanceof CommandError) return encodeError(error);
        throw error;
      }
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
        requirePermission(name, args);
        pubSub.requireContext(socket, name);
        const ofConnection = runConnectionCommand(name, args);
        if (ofConnection !== undefined) return ofConnection;
        const reply = run(name, args);
        const read = name === "xread" && reply === NULL_ARRAY ? parseRead(store, args) : undefined;
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
      pubSub.remove(socket);
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
