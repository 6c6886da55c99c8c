/** A real Valkey, in the ways in which the message log meets one, and what can happen to it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createServer as createTlsServer } from "node:tls";

import { Redis } from "iovalkey";

import type { ValkeyAddress } from "../../app/src/log/valkey/valkeyConnection.ts";
import { ACCESS_STRING, USER_NAME } from "../../infra/components/backplane/valkeyAccess.ts";
import { type Certificate, localCertificate } from "../../local/runtime/network/certificate.ts";
import { type Directive, findValkeyServer, freePort, startValkeyServer } from "../../cli/valkeyServer.ts";
import { leaveOut } from "./leaveOut.ts";
import { waitUntil } from "./waitUntil.ts";

const HOST = "127.0.0.1";
const SNAPSHOT = "dump.rdb";

const ADMIN_RETRY_MS = 20;

/** Of the user that the log is. */
const PASSWORD = "p@ss:word/1";
/** Of the user who may do everything, which is none of the log's business. */
const ADMIN_PASSWORD = "admin";

/** The server to test with. Skips the test where there is none; it must not be skipped where `CI` is "true". */
export async function requireValkey(test: Mocha.Context): Promise<string> {
  const binary = await findValkeyServer(process.env["PATH"]);
  if (binary === undefined) {
    leaveOut(test, { program: "valkey-server (or redis-server 7)", fix: ".ci/install-valkey" });
  }
  return binary;
}

/** A server that comes back on the same port. */
export interface TestValkey {
  /** How the log reaches it. */
  readonly address: ValkeyAddress;
  readonly port: number;
  /** Sends one command, as a user who may do everything. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  /** Stops it, with all its data on disk, as of now. */
  shutDown(): Promise<void>;
  /** Ends it at once. What is on disk stays as the last `shutDown` or `SAVE` left it. */
  kill(): Promise<void>;
  /** Starts it again, with the data on disk. */
  start(): Promise<void>;
  /** Drops the data on disk. */
  forget(): Promise<void>;
  /** Cuts the connections that go through its own proxy, where it has one. */
  readonly cut: () => void;
  /** It answers nothing until it is resumed. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

/** How the log reaches a server behind a port of this machine: as the user that the program declares, with its permissions. */
export function addressAt(port: number): ValkeyAddress & { readonly password: string } {
  return { url: `redis://${USER_NAME}@${HOST}:${port}`, password: PASSWORD, cluster: false };
}

/** One server, for the user that the program declares. */
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
  const admin = new Redis({
    host: HOST,
    port,
    password: ADMIN_PASSWORD,
    lazyConnect: true,
    retryStrategy: () => ADMIN_RETRY_MS,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
  });
  admin.on("error", () => undefined);

  return {
    address: addressAt(port),
    port,
    command: (name, ...args) => admin.call(name, args),
    async shutDown() {
      // It has no answer.
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

/** As ElastiCache Serverless offers one: the cluster protocol, behind a proxy that speaks TLS and bears a name. */
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
  // It takes its time to believe that it is whole.
  const isWhole = async (): Promise<boolean> =>
    String(await valkey.command("CLUSTER", "INFO")).includes("cluster_state:ok");
  await waitUntil(isWhole, { everyMs: 20 });
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
  /** Cuts every connection: what was on its way, either way, is lost. */
  readonly cut: () => void;
  /** Leaves every connection open, and passes nothing on any more. Later connections are not affected. */
  hang(): void;
  close(): Promise<void>;
}

/** Passes connections on to another port of this machine. */
export async function startProxy({
  to,
  port = 0,
  certificate,
}: {
  readonly to: number;
  readonly port?: number;
  readonly certificate?: Certificate;
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
