/** Starts real Valkey servers for the message log, and stops, freezes or cuts them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createServer as createTlsServer } from "node:tls";

import { Redis } from "iovalkey";

import type { ValkeyAddress } from "../../app/src/log/valkey/connection/valkeyConnection.ts";
import { ACCESS_STRING, USER_NAME } from "../../infra/components/backplane/valkeyAccess.ts";
import { type LocalCertificate, localCertificate } from "../../local/runtime/network/certificate.ts";
import { type Directive, findValkeyServer, freePort, startValkeyServer } from "../../cli/valkeyServer.ts";
import { leaveOut } from "./leaveOut.ts";
import { waitUntil } from "./waitUntil.ts";

const HOST = "127.0.0.1";
const SNAPSHOT = "dump.rdb";

const ADMIN_RETRY_MS = 20;

/** Password of the tasks' user. */
export const PASSWORD = "p@ss:word/1";
/** Password of a user with all permissions, which the log does not use. */
const ADMIN_PASSWORD = "admin";

/** Returns the path of a Valkey server. Skips the test if the machine has none; if `CI` is "true", the test fails instead. */
export async function requireValkey(test: Mocha.Context): Promise<string> {
  const binary = await findValkeyServer(process.env["PATH"]);
  if (binary === undefined) {
    leaveOut(test, { program: "valkey-server (or redis-server 7)", fix: ".ci/install-valkey" });
  }
  return binary;
}

/** A store of the message log: a Valkey server, or the embedded stand-in. */
export interface TestStore {
  readonly port: number;
  /** Sends one command. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  close(): Promise<void>;
}

/** A Valkey server that keeps its port when it restarts. */
export interface TestValkey extends TestStore {
  /** Address for the message log. */
  readonly address: ValkeyAddress;
  /** Writes all data to disk and stops the server. */
  shutDown(): Promise<void>;
  /** Sends SIGKILL. The disk keeps the data of the last `shutDown` or `SAVE`. */
  kill(): Promise<void>;
  /** Starts the server again with the data on disk. */
  start(): Promise<void>;
  /** Removes the data on disk. */
  forget(): Promise<void>;
  /** Cuts all connections through the server's own proxy, if it has one. */
  readonly cut: () => void;
  /** Stops the process (SIGSTOP) until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** Address of a port of this machine for the message log, with the user that the program declares. */
export function addressAt(port: number): ValkeyAddress & { readonly password: string } {
  return { url: `redis://${USER_NAME}@${HOST}:${port}`, password: PASSWORD, cluster: false };
}

/** Starts a server with the user that the program declares. */
export async function startValkey(
  binary: string,
  directives: readonly Directive[] = [],
): Promise<TestValkey> {
  const folder = await mkdtemp(path.join(tmpdir(), "websocket-valkey-"));
  const options = {
    binary,
    password: ADMIN_PASSWORD,
    directives: [
      ["dir", folder],
      ["user", USER_NAME, `>${PASSWORD}`, ...ACCESS_STRING.split(" ")],
      ...directives,
    ] as const,
  };
  let server = startValkeyServer(options);
  const { port } = await server;
  const admin = connectAdmin(port, { password: ADMIN_PASSWORD });

  return {
    address: addressAt(port),
    port,
    command: (name, ...args) => admin.call(name, args),
    async shutDown() {
      // SHUTDOWN has no answer.
      void admin.call("SHUTDOWN", "SAVE").catch(() => undefined);
      await (
        await server
      ).ended;
    },
    async kill() {
      const { pid, ended } = await server;
      process.kill(pid, "SIGKILL");
      await ended;
    },
    async start() {
      server = startValkeyServer({ ...options, port });
      await server;
    },
    cut: () => undefined,
    forget: () => rm(path.join(folder, SNAPSHOT), { force: true }),
    async pause() {
      process.kill((await server).pid, "SIGSTOP");
    },
    async resume() {
      process.kill((await server).pid, "SIGCONT");
    },
    async close() {
      admin.disconnect();
      await (await server).close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Connects with retries. Commands wait for the connection. */
export function connectAdmin(port: number, user: { username?: string; password: string }): Redis {
  const admin = new Redis({
    ...user,
    host: HOST,
    port,
    lazyConnect: true,
    retryStrategy: () => ADMIN_RETRY_MS,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
  });
  admin.on("error", () => undefined);
  return admin;
}

/** Starts a server like ElastiCache Serverless: a cluster behind a TLS proxy with a host name. */
export async function startGuardedValkey(binary: string): Promise<TestValkey> {
  const folder = await mkdtemp(path.join(tmpdir(), "websocket-certificate-"));
  const certificate = await localCertificate(folder);
  await rm(folder, { recursive: true });
  const valkey = await startValkey(binary, [
    ["cluster-enabled", "yes"],
    ["cluster-port", await freePort()],
    ["cluster-announce-hostname", "localhost"],
    ["cluster-preferred-endpoint-type", "hostname"],
  ]);
  const proxy = await startProxy({ to: valkey.port, certificate });
  await valkey.command("CONFIG", "SET", "cluster-announce-port", proxy.port);
  await valkey.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
  // A new cluster is ready after some time.
  const isReady = async (): Promise<boolean> =>
    String(await valkey.command("CLUSTER", "INFO")).includes("cluster_state:ok");
  await waitUntil(isReady, { everyMs: 20 });
  return {
    ...valkey,
    cut: proxy.cut,
    address: {
      url: `rediss://${USER_NAME}@localhost:${proxy.port}`,
      password: PASSWORD,
      cluster: true,
      ca: certificate.cert,
    },
    async close() {
      await proxy.close();
      await valkey.close();
    },
  };
}

export interface Proxy {
  readonly port: number;
  /** Cuts every connection. Bytes in transit are lost. */
  readonly cut: () => void;
  /** Keeps every present connection open but passes no more bytes. New connections are not affected. */
  hang(): void;
  close(): Promise<void>;
}

/** Forwards connections to another port of this machine. */
export async function startProxy({
  to,
  port = 0,
  certificate,
}: {
  readonly to: number;
  readonly port?: number;
  readonly certificate?: LocalCertificate;
}): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const pass = (inner: Socket): void => {
    const outer = connect(to, HOST);
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => undefined);
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  };
  const server = certificate === undefined ? createServer(pass) : createTlsServer(certificate, pass);
  server.listen(port, HOST);
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    cut,
    hang() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.resume();
      }
    },
    async close() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}
