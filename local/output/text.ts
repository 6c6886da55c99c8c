/** The words for events, shared by the plain lines and the live view. */
import { stripVTControlCharacters } from "node:util";
import type { Paint } from "../../cli/paint.ts";
import type { EventOf, StackEvent, StackUrls } from "../events.ts";

/** The part of a name like `task-12`, widened so that lines align for the first hundred tasks. */
const NAME_WIDTH = "task-12".length;

const PART_WIDTH = "load balancer".length;

/** The lines for an event; none for what is not worth one. */
export function describeEvent(event: StackEvent, paint: Paint, verbose: boolean): readonly string[] {
  switch (event.event) {
    case "declared": {
      const { counts } = event;
      const count = [
        `${counts.played} played here`,
        `${counts.passive} without anything to play`,
        ...(counts["not-played"] > 0 ? [`${counts["not-played"]} not played yet`] : []),
        ...(counts.unknown > 0 ? [`${counts.unknown} unknown`] : []),
      ].join(", ");
      return [
        `${paint("strong", `Stack ${event.stack}`)}: ${event.resources} resources declared, ${count}`,
        ...event.path.map(({ part, text }) => `  ${paint("dim", part.padEnd(PART_WIDTH))}  ${text}`),
        paint("dim", "This is a development tool. Production is AWS: npx pulumi up."),
      ];
    }
    case "warning":
      return [`${paint("warn", "warning")}: ${event.message}`];
    case "not-played":
      return [
        `${paint("warn", "not played")}: ${event.names.join(", ")} (${event.types.join(", ")}): ${event.reason}`,
      ];
    case "backplane-started":
      return [about("backplane", `started, pid ${event.pid}`)];
    case "backplane-ended":
      return [
        about("backplane", `${paint("bad", "ended")}, and is replaced in ${event.afterMs / 1000} s, empty`),
        ...(event.reason?.split("\n") ?? []).map((line) => about("backplane", paint("dim", `| ${line}`))),
      ];
    case "task-started":
      return [about(event.id, `started, pid ${event.pid}`)];
    case "task-listening":
      return [about(event.id, `listening on port ${event.port}`)];
    case "task-healthy":
      return [about(event.id, paint("good", "healthy"))];
    case "task-unhealthy":
      return [about(event.id, `${paint("bad", "unhealthy")}: ${event.reason}`)];
    case "task-stopped": {
      const how = event.pid === undefined ? "could not be started" : ended(event.code, event.signal);
      if (event.expected) return [about(event.id, how)];
      return [
        about(event.id, paint("bad", how)),
        ...event.output.map((line) => about(event.id, paint("dim", `| ${line}`))),
      ];
    }
    case "task-restarting":
      return [about(event.id, `is replaced in ${event.afterMs / 1000} s`)];
    case "task-output":
      return verbose ? [about(event.id, paint("dim", `| ${event.line}`))] : [];
    case "ready":
      return [
        `${paint("good", "ready")} after ${event.seconds.toFixed(1)} s`,
        ...describeUrls(event.urls, paint),
      ];
    case "stopping":
      return [describeStopping(event)];
    case "stopped":
      return ["stopped"];
  }
}

/** What the end waits for, and how to have it at once. */
export function describeStopping({ tasks, stopTimeoutSeconds }: EventOf<"stopping">): string {
  if (tasks === 0) return "stopping";
  const who = tasks === 1 ? "1 task has" : `${tasks} tasks have`;
  return `stopping: ${who} up to ${stopTimeoutSeconds} s after SIGTERM; a second Ctrl-C kills`;
}

/** Where the stack runs, and how to talk to it. */
export function describeUrls(urls: StackUrls, paint: Paint): readonly string[] {
  const { websocket, page, loadBalancer, plainHttp, apiGateway } = urls;
  const { host } = new URL(websocket);
  const lines: readonly (readonly [url: string | undefined, note: string])[] = [
    [websocket, ""],
    [page, ""],
    [loadBalancer, "behind the edge"],
    [plainHttp, `redirects to https://${host}, which stands for port 443`],
    [apiGateway, "in front of the API Gateway"],
  ];
  return [
    ...lines.flatMap(([url, note]) =>
      url === undefined ? [] : [`  ${paint("strong", url)}${note && paint("dim", `  ${note}`)}`],
    ),
    `  ${paint("dim", "try")} npx wscat --no-check -c ${websocket}`,
  ];
}

function ended(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with exit code ${code ?? "unknown"}` : `ended by ${signal}`;
}

function about(id: string, text: string): string {
  return `${id.padEnd(NAME_WIDTH)}  ${text}`;
}

/** Breaks a line between words. Colours take no room; a word wider than the line is left as it is. */
export function wrapWords(line: string, width: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  for (const [piece] of line.matchAll(/ *[^ ]+/g)) {
    const tooWide = stripVTControlCharacters(current + piece).length > width;
    if (tooWide && current !== "") {
      lines.push(current);
      current = piece.trimStart();
    } else {
      current += piece;
    }
  }
  return [...lines, current];
}
