/** The text of events, for the output in lines and the live output. */
import { stripVTControlCharacters } from "node:util";
import { commandForOutput, commandOf, commandWithArguments } from "../../cli/commandNames.ts";
import type { Paint } from "../../cli/paint.ts";
import type { EventOf, ObservedStack, StackEvent } from "../events.ts";

/** Lines about the first hundred tasks align. */
const NAME_WIDTH = "task-12".length;

const PART_WIDTH = "load balancer".length;

/** The lines for an event; none for the output of tasks without `verbose`. */
export function describeEvent(event: StackEvent, paint: Paint, verbose: boolean): readonly string[] {
  switch (event.event) {
    case "declared": {
      const { counts } = event;
      const count = [
        `${counts.emulated} emulated`,
        `${counts.skipped} skipped`,
        ...(counts.unsupported > 0 ? [`${counts.unsupported} unsupported`] : []),
        ...(counts.unknown > 0 ? [`${counts.unknown} unknown`] : []),
      ].join(", ");
      return [
        `${paint("strong", `Stack ${event.stack}`)}: ${event.resources} declared resources (${count})`,
        ...event.path.map(({ part, text }) => `  ${paint("dim", part.padEnd(PART_WIDTH))}  ${text}`),
        paint("dim", `The local stack is a development tool. Production is AWS: ${event.deployCommand}.`),
      ];
    }
    case "tokens-required":
      return [about("tokens", describeTokens(event))];
    case "warning":
      return [`${paint("warn", "warning")}: ${event.message}`];
    case "unsupported":
      return [
        `${paint("warn", "unsupported")}: ${event.names.join(", ")} (${event.types.join(", ")}): ${event.reason}`,
      ];
    case "backplane-started":
      return [about("backplane", `started, pid ${event.pid}`)];
    case "backplane-ended":
      return [
        about(
          "backplane",
          `${paint("bad", "ended")}, restarts in ${event.afterMs / 1000} s without its data`,
        ),
        ...(event.reason?.split("\n") ?? []).map((line) => about("backplane", outputLine(line, paint))),
      ];
    case "task-started":
      return [about(event.id, `started, pid ${event.pid}`)];
    case "task-listening":
      return [about(event.id, `listening on port ${event.port}`)];
    case "task-healthy":
      return [about(event.id, paint("good", "healthy"))];
    case "task-unhealthy":
      return [about(event.id, `${paint("bad", "unhealthy")}: ${event.reason}`)];
    case "task-replaced":
      return [about(event.id, `is replaced: ${event.reason}`)];
    case "task-stopped": {
      const how = event.pid === undefined ? "did not start" : describeEnd(event.code, event.signal);
      if (event.expected) return [about(event.id, how)];
      return [
        about(event.id, paint("bad", how)),
        ...event.output.map((line) => about(event.id, outputLine(line, paint))),
      ];
    }
    case "task-restarting":
      return [about(event.id, `is replaced after ${event.afterMs / 1000} s`)];
    case "deployment-started":
      if (event.revision === 1) return [];
      return [[`deploys revision ${event.revision}`, ...describeFiles(event.files)].join(": ")];
    case "deployment-completed":
      return event.revision === 1
        ? []
        : [`${paint("good", "deployed")}: every task runs revision ${event.revision}`];
    case "deployment-failed": {
      const outcome = event.returnsTo === undefined ? "" : `, returns to revision ${event.returnsTo}`;
      return [`${paint("bad", "deployment failed")}: revision ${event.revision}${outcome}: ${event.reason}`];
    }
    case "watching":
      return [paint("dim", `watching ${event.paths.join(", ")} (--no-watch turns this off)`)];
    case "stack-changed":
      return describeChange(event);
    case "change-rejected":
      return [
        `${paint("bad", "rejected")}: ${describeFiles(event.files).join("")}; the previous version continues`,
        ...event.message.split("\n").map((line) => `  ${line}`),
      ];
    case "task-output":
      return verbose ? [about(event.id, outputLine(event.line, paint))] : [];
    case "metric":
      return [];
    case "alarm":
      // An idle stack at its minimum is in the low alarm of every policy.
      if (event.alarm === "low" || event.state !== "alarm") return [];
      return [about("scaling", `${event.metric} above ${event.target}: ${paint("warn", "ALARM")}`)];
    case "scaled":
      return [about("scaling", paint("strong", event.reason))];
    case "ready":
      return [`${paint("good", "ready")} after ${event.seconds.toFixed(1)} s`, ...describeUrls(event, paint)];
    case "stopping":
      return [describeStopping(event)];
    case "stopped":
      return ["stopped"];
    case "dashboard-started":
      return [describeDashboard(event.url, paint)];
    case "fault-applied":
      return [about(event.task ?? "stack", `${paint("warn", "fault applied")}: ${event.name}`)];
    case "fault-ended":
      return [about(event.task ?? "stack", `fault ended: ${event.name}`)];
  }
}

function describeChange({ files, changed, needRestart }: EventOf<"stack-changed">): readonly string[] {
  const what = describeFiles(files).join("");
  if (changed.length + needRestart.length === 0) return [`${what}: no emulated value changes`];
  return [
    ...(changed.length > 0 ? [`${what}: changes ${changed.join(", ")}`] : []),
    ...(needRestart.length > 0
      ? [`${what}: restart ${commandOf("start")} to change ${needRestart.join(", ")}`]
      : []),
  ];
}

/** The first of the changed files, and the number of the others. */
function describeFiles([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined) return [];
  return [others.length === 0 ? first : `${first} and ${others.length} more`];
}

/** How long the stop may take, and how to end it at once. */
export function describeStopping({ tasks, stopTimeoutSeconds }: EventOf<"stopping">): string {
  if (tasks === 0) return "stopping";
  const subject = tasks === 1 ? "1 task has" : `${tasks} tasks have`;
  return `stopping: ${subject} up to ${stopTimeoutSeconds} s after SIGTERM; a second Ctrl-C kills them`;
}

/** The URLs of the stack, and a command that connects to it. */
export function describeUrls(
  {
    urls,
    needsDevelopmentToken = false,
    apiKey,
  }: Pick<ObservedStack, "urls" | "needsDevelopmentToken" | "apiKey">,
  paint: Paint,
): readonly string[] {
  const { websocket, page, loadBalancer, plainHttp, apiGateway } = urls;
  const { host } = new URL(websocket);
  const lines: readonly (readonly [url: string | undefined, note: string])[] = [
    [websocket, ""],
    [page, ""],
    [loadBalancer, "behind the edge"],
    [plainHttp, `redirects to https://${host}, the local port for 443`],
    [apiGateway, "in front of the API Gateway"],
  ];
  return [
    ...lines.flatMap(([url, note]) =>
      url === undefined ? [] : [`  ${paint("strong", url)}${note && paint("dim", `  ${note}`)}`],
    ),
    ...(apiKey === undefined ? [] : [`  ${paint("strong", apiKey)}${paint("dim", "  API key of backends")}`]),
    ...tryLines(websocket, needsDevelopmentToken).map((line) => `  ${paint("dim", "try")} ${line}`),
  ];
}

/** Commands for a shell, to be entered one after the other. */
function tryLines(websocket: string, needsDevelopmentToken: boolean): readonly string[] {
  if (!needsDevelopmentToken) return [`npx wscat --no-check -c ${websocket}`];
  return [
    `TOKEN=$(${commandForOutput("token")} --user alice --subscribe '*' --publish '*')`,
    `npx wscat -n -H "Authorization: Bearer $TOKEN" -c ${websocket}`,
  ];
}

/** Which tokens the tasks require, and how to get some. */
function describeTokens({ issuer, isDevelopment, declaredAccess }: EventOf<"tokens-required">): string {
  const development = `one of \`${commandOf("token")}\``;
  return isDevelopment
    ? `clients need ${development}; in AWS, the declared access applies, which is ${declaredAccess}`
    : `clients need one of the issuer ${issuer}; with \`${commandWithArguments("start")} --tokens\`, ${development}`;
}

export function describeDashboard(url: string, paint: Paint): string {
  return `  ${paint("strong", url)}${paint("dim", "  dashboard")}`;
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with exit code ${code ?? "unknown"}` : `ended by ${signal}`;
}

function outputLine(line: string, paint: Paint): string {
  return paint("dim", `| ${line}`.trimEnd());
}

function about(id: string, text: string): string {
  return `${id.padEnd(NAME_WIDTH)}  ${text}`;
}

/** Wraps a line between words. Escape sequences have no width. A word that is wider than the line is not broken. */
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
