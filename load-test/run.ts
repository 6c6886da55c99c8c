import { randomUUID } from "node:crypto";
import { isIPv4 } from "node:net";

import { churn } from "./churn.ts";
import type { Options } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { Report } from "./report.ts";
import { sustained } from "./sustained.ts";

/** Runs the load test to its end, or to that of `signal`, which ends it early with the summary so far. */
export async function runLoadTest(
  options: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<Report> {
  const certificate = certificateCheck(options);
  const target = {
    url: options.url,
    verifyCertificate: certificate === "checked",
    timeoutMs: options.timeout * 1000,
  };
  const startedAt = performance.now();
  const outcome =
    options.mode === "churn"
      ? await churn(options, target, progress, signal)
      : await sustained(options, randomUUID(), target, progress, signal);
  return {
    mode: options.mode,
    url: options.url.href,
    certificate,
    seconds: (performance.now() - startedAt) / 1000,
    interrupted: signal.aborted,
    ...outcome,
  };
}

/** The local stack signs its own certificate, and traffic that stays on this machine needs none. */
function certificateCheck({ url, insecure }: Pick<Options, "url" | "insecure">): Report["certificate"] {
  if (url.protocol === "ws:") return "none: ws://";
  if (insecure) return "not checked: --insecure";
  return isLoopback(url.hostname) ? "not checked: loopback host" : "checked";
}

/** RFC 6761, section 6.3 (names), RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3 (addresses). */
function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    (isIPv4(hostname) && hostname.startsWith("127."))
  );
}
