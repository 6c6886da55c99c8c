/**
 * A stand-in for Valkey, in this process: the commands and scripts of the message log on real connections, for a machine that
 * has no valkey-server. It keeps everything in memory, has one user, and speaks RESP2 without TLS.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type BlockingRead, execute, GREETINGS, isDataCommand, readerOf } from "./commands.ts";
import { CommandError, CommandParser, encodeError, encodeReply, OK, type Reply } from "./resp.ts";
import { createScripts } from "./scripts.ts";
import { Store } from "./store.ts";

/** The only one who is admitted. */
export interface StandInUser {
  readonly name: string;
  readonly password: string;
  /** What it may do, as in an access string: `-@all +xadd +client|setname`. Its keys are not looked at. */
  readonly access: string;
}

export interface StandIn {
  readonly port: number;
  /** Cuts every connection. Idempotent. */
  close(): Promise<void>;
}

/** What a client may say before it has said who it is. */
const BEFORE_AUTH = ["auth", "quit"];
/** Commands that have subcommands, each with a permission of its own. */
const CONTAINERS = new Set([
  ...["acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module", "object"],
  ...["pubsub", "script", "slowlog", "xgroup", "xinfo"],
]);
const LOOPBACK = "127.0.0.1";
const SLOTS = 16_384;
const NODE_ID = "0".repeat(40);

/** A reader that waits for news. */
interface Waiting {
  readonly read: BlockingRead;
  readonly answer: (reply: Reply) => void;
}

export async function startStandIn(user: StandInUser): Promise<StandIn> {
  const store = new Store();
  const scripts = await createScripts();
  const sockets = new Set<Socket>();
  const waiting = new Set<Waiting>();
  const allowed = new Set(user.access.split(" "));
  let port = 0;

  /** @returns why the user may not run it; `undefined` if it may. */
  function obstacle(name: string, [word]: readonly string[]): string | undefined {
    const whole = CONTAINERS.has(name) ? `${name}|${word?.toLowerCase() ?? ""}` : name;
    if (["+@all", `+${name}`, `+${whole}`].some((permission) => allowed.has(permission))) return undefined;
    return `User ${user.name} has no permissions to run the '${whole}' command`;
  }

  function run(name: string, args: readonly string[]): Reply {
    const problem = obstacle(name, args);
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
        return GREETINGS[name] ?? execute(store, name, args);
    }
  }

  /** As the cloud's: a script has the commands on keys, and no others. */
  function runInScript(name: string, args: readonly string[]): Reply {
    const problem = obstacle(name, args);
    if (problem !== undefined) throw new CommandError(`ERR ACL failure in script: ${problem}`);
    if (!isDataCommand(name)) throw new CommandError("ERR This Valkey command is not allowed from script");
    return execute(store, name, args);
  }

  /** Whoever waits for what has come meanwhile is answered. */
  function serveWaiting(): void {
    for (const reader of waiting) {
      const reply = reader.read.read();
      if (reply !== null) reader.answer(reply);
    }
  }

  function serve(socket: Socket): void {
    const parser = new CommandParser();
    const queue: (readonly string[])[] = [];
    let authorized = false;
    let reader: Waiting | undefined;
    let timer: NodeJS.Timeout | undefined;

    function authenticate(words: readonly string[]): Reply {
      const [name = "default", given] = words.length === 1 ? ["default", words[0]] : words;
      if (name !== user.name || given !== user.password) {
        throw new CommandError("WRONGPASS invalid username-password pair or user is disabled.");
      }
      authorized = true;
      return OK;
    }

    function wait(read: BlockingRead): void {
      reader = {
        read,
        answer(reply) {
          stopWaiting();
          socket.write(encodeReply(reply));
          work();
        },
      };
      waiting.add(reader);
      const { blockMs = 0 } = read;
      if (blockMs > 0) {
        timer = setTimeout(() => {
          reader?.answer(null);
          serveWaiting();
        }, blockMs);
      }
    }

    function stopWaiting(): void {
      clearTimeout(timer);
      if (reader !== undefined) waiting.delete(reader);
      reader = undefined;
    }

    /** @returns `undefined` where the answer comes later. */
    function answer([word = "", ...args]: readonly string[]): string | undefined {
      const name = word.toLowerCase();
      try {
        if (!authorized && !BEFORE_AUTH.includes(name)) {
          throw new CommandError("NOAUTH Authentication required.");
        }
        if (name === "auth") return encodeReply(authenticate(args));
        if (name === "quit") {
          socket.end();
          return encodeReply(OK);
        }
        const reply = run(name, args);
        const read = name === "xread" && reply === null ? readerOf(store, args) : undefined;
        if (read?.blockMs === undefined) return encodeReply(reply);
        wait(read);
        return undefined;
      } catch (error) {
        if (error instanceof CommandError) return encodeError(error);
        throw error;
      }
    }

    function work(): void {
      const answers: string[] = [];
      while (reader === undefined) {
        const command = queue.shift();
        if (command === undefined) break;
        const answered = answer(command);
        if (answered !== undefined) answers.push(answered);
      }
      if (answers.length > 0 && !socket.destroyed) socket.write(answers.join(""));
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
        // What is no command leaves no place from which to go on.
        socket.destroy();
        return;
      }
      work();
      serveWaiting();
    });
  }

  const server = createServer(serve);
  server.listen(0, LOOPBACK);
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
