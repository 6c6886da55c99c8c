import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { commandOf } from "../../../cli/commandNames.ts";
import type { EmitEvent } from "../../events.ts";

/** Node reports every HTTP request of this process that fails: those to the load balancer and the tasks, and health checks. */
const REQUEST_ERRORS = "http.client.request.error";
/** The condition ends when no request has failed for this time. */
const QUIET_MS = 60_000;
/** Each client uses up to four sockets of this process. */
const PROPOSED_LIMIT = 65_536;

/** The part of Node's diagnostic report that is read here. Windows has no such limits. */
interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft: number | "unlimited" } };
}

/**
 * Warns, once per condition, if requests fail because this process may open no more files.
 * @returns a function that stops watching.
 */
export function watchOpenFiles(emit: EmitEvent, nowMs = (): number => performance.now()): () => void {
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
        `Fix: \`ulimit -n ${PROPOSED_LIMIT} && ${commandOf("start")}\``,
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
  // With network interfaces, the report resolves the name of every peer. The types lack the option.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as Report;
  return String(userLimits?.open_files?.soft ?? "");
}
