/** HAProxy with TLS and a header rule like those of the local edge and load balancer: it sets a secret header, and then requires it. */
import { spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import path from "node:path";

import { isExecutable } from "../../cli/executable.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import { freePort } from "../../cli/valkeyServer.ts";
import { localCertificate } from "../../local/runtime/network/certificate.ts";
import { pinned } from "../pinning.ts";
import { type FrontOptions, type ServerProcess, stopOf, untilListening } from "../processes.ts";

/** Debian installs it into a folder that `PATH` may not contain. */
const INSTALL_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

/** @param searchPath folders in the form of `PATH`. */
export function findHaproxy(searchPath = ""): string | undefined {
  return [...searchPath.split(path.delimiter), ...INSTALL_FOLDERS]
    .filter((folder) => folder !== "")
    .map((folder) => path.join(folder, "haproxy"))
    .find(isExecutable);
}

export async function startHaproxy(
  binary: string,
  { upstreamPort, cpu, folder, signal }: FrontOptions,
): Promise<ServerProcess> {
  const port = await freePort();
  const { key, cert } = await localCertificate(folder);
  const certificateFile = path.join(folder, "haproxy.pem");
  writeFileSync(certificateFile, `${cert}\n${key}`, { mode: 0o600 });
  const configurationFile = path.join(folder, `haproxy-${port}.cfg`);
  writeFileSync(configurationFile, configurationOf(port, upstreamPort, certificateFile));
  const output = openSync(path.join(folder, `haproxy-${port}.log`), "w");
  const [file, args] = pinned(cpu, binary, ["-db", "-f", configurationFile]);
  const child = spawn(file, args, { stdio: ["ignore", output, output] });
  const stop = stopOf(child);
  try {
    await untilListening("haproxy", child, port, signal);
    return { pid: child.pid ?? 0, port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One thread, like the local stack. The times are those of stack dev. */
function configurationOf(port: number, upstreamPort: number, certificateFile: string): string {
  return `
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 10s
  timeout client 120s
  timeout server 120s
  timeout tunnel 120s
frontend edge
  bind ${LOOPBACK}:${port} ssl crt ${certificateFile} alpn http/1.1 backlog 4096
  option forwardfor
  http-request set-header X-Origin-Secret 0123456789abcdef0123456789abcdef
  http-request deny deny_status 403 unless { req.hdr(X-Origin-Secret) -m str 0123456789abcdef0123456789abcdef }
  default_backend tasks
backend tasks
  server task ${LOOPBACK}:${upstreamPort}
`;
}
