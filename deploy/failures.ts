/** Why an operation failed, told so that it can be mended: the resource, what was said of it, and the likely fix. */
import type { Problem, Progress, Resource } from "./progress/progress.ts";
import { CHANGES, nameAndType } from "./progress/text.ts";
import { likelyFix } from "./knownErrors.ts";

/** What the engine adds when it has told the reason already. */
const ECHOES = [
  /^(?:update|preview|destroy|refresh) (?:failed|canceled)$/,
  /^resource registration canceled/,
  // What the program notices of the engine's end.
  /resource monitor shut down|client connection is closing/,
  // The bridge's own log; the engine then says the same.
  /^sdk-v2\/provider\d*\.go/,
];

/** What the layers between AWS and the user add; none of it says what is wrong. */
const WRAPPINGS: readonly (readonly [RegExp, string])[] = [
  [/^\d+ errors? occurred:\s*\*?\s*/i, ""],
  [/,? https response error StatusCode: \d+, RequestID: [\w-]+,?/g, ""],
  [/\boperation error ([\w ]+): (\w+)/g, "$1 $2"],
  [/\bapi error /g, ""],
  [/^error: /, ""],
  [/(?:: )?provider=\w+@[\w.]+$/, ""],
];

/**
 * The text for everything that went wrong.
 * @param programError what the program itself threw, which the engine only knows second-hand.
 */
export function describeFailures(progress: Progress, programError: Error | undefined): string {
  if (programError !== undefined) return programError.message;
  const texts = progress.errors
    .filter(({ message }) => !ECHOES.some((echo) => echo.test(message)))
    .map((problem) => describeProblem(problem, progress));
  return [...new Set(texts)].join("\n\n");
}

function describeProblem({ resource, message }: Problem, progress: Progress): string {
  const said = unwrapped(message);
  const fix = likelyFix(said);
  const what = resource === undefined ? undefined : progress.resources.get(resource.urn);
  return [
    ...(resource === undefined ? [said] : [`${nameAndType(resource)} ${outcome(what)}`, indented(said)]),
    ...(fix === undefined ? [] : [indented(`likely fix: ${fix}`)]),
  ].join("\n");
}

function outcome(resource: Resource | undefined): string {
  if (resource?.state !== "failed" || resource.change === "same") return "has a problem:";
  return `could not be ${CHANGES[resource.change].done}:`;
}

export function unwrapped(message: string): string {
  return WRAPPINGS.reduce((text, [pattern, by]) => text.replace(pattern, by), message.trim()).trim();
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
