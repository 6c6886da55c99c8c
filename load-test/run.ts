import { randomUUID } from "node:crypto";
import { isIPv4 } from "node:net";

import { churn } from "./churn.ts";
import type { LoadTestOptions } from "./options.ts";
import type { LoadTestReport, OnProgress } from "./report.ts";
import { sustained } from "./sustained.ts";

/** Runs the load test until its end, or until `signal` aborts. */
export async function runLoadTest(
  options: LoadTestOptions,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<LoadTestReport> {
  const certificate = certificateCheck(options);
  const endpoint = {
    url: options.url,
    token: options.token,
    verifyCertificate: certificate === "checked",
    timeoutMs: options.timeout * 1000,
  };
  const startedAt = performance.now();
  const result =
    options.mode === "churn"
      ? await churn(options, endpoint, onProgress, signal)
      : await sustained(options, randomUUID(), endpoint, onProgress, signal);
  return {
    mode: options.mode,
    url: options.url.href,
    certificate,
    subscriptions: { channels: options.channels, perConnection: options.subscriptions },
    seconds: (performance.now() - startedAt) / 1000,
    interrupted: signal.aborted,
    ...result,
  };
}

/** The local stack's certificate is self-signed, and traffic on the loopback interface does not need one. */
function certificateCheck({
  url,
  insecure,
}: Pick<LoadTestOptions, "url" | "insecure">): LoadTestReport["certificate"] {
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
