import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Emit } from "../../events.ts";

/** Node reports every HTTP request that fails here: those to the load balancer, to the tasks, and the health checks. */
const REQUEST_ERRORS = "http.client.request.error";
/** The condition ends when no request has failed for this time. */
const QUIET_MS = 60_000;
/** A client takes up to four sockets of this process. */
const PROPOSED_LIMIT = 65_536;

/** As Node documents the part of its report that is read here; Windows has no such limits. */
interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft: number | "unlimited" } };
}

/**
 * Warns, once per condition, if requests fail because this process may open no more files.
 * @returns stops watching.
 */
export function watchOpenFiles(emit: Emit, nowMs = (): number => performance.now()): () => void {
  let lastMs = -Infinity;

  function onRequestError(message: unknown): void {
    if (!isOutOfFiles(message)) return;
    const beforeMs = lastMs;
    lastMs = nowMs();
    if (lastMs - beforeMs <= QUIET_MS) return;
    emit({
      event: "warning",
      message:
        `All ${maxOpenFiles()} files that this process may open (\`ulimit -n\`) are open, so clients get 502. ` +
        `Fix: ulimit -n ${PROPOSED_LIMIT} && npm start`,
    });
  }

  subscribe(REQUEST_ERRORS, onRequestError);
  return () => {
    unsubscribe(REQUEST_ERRORS, onRequestError);
  };
}

function isOutOfFiles(message: unknown): boolean {
  if (typeof message !== "object" || message === null || !("error" in message)) return false;
  const { error } = message;
  return error instanceof Error && "code" in error && error.code === "EMFILE";
}

function maxOpenFiles(): string {
  // The report would look up the name of every socket's peer, and its types lack the option.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as Report;
  return String(userLimits?.open_files?.soft ?? "");
}
