/** The reasons for which an operation failed: the resource, the provider's message, and the likely fix. */
import type { EngineError, EngineReport, Resource } from "./engineReport.ts";
import { likelyFix } from "./knownErrors.ts";
import { CHANGES, nameAndType } from "./wording.ts";

/** Messages that repeat another one. */
const REPETITIONS = [
  /^(?:update|preview|destroy|refresh) (?:failed|canceled)$/,
  /^resource registration canceled/,
  // The program reports that the engine has ended.
  /resource monitor shut down|client connection is closing/,
  // Pulumi's Terraform bridge logs the error that the engine reports.
  /^sdk-v2\/provider\d*\.go/,
];

/** Text without information that the layers around AWS's message add. */
const WRAPPINGS: readonly (readonly [RegExp, string])[] = [
  [/^\d+ errors? occurred:\s*\*?\s*/i, ""],
  [/,? https response error StatusCode: \d+, RequestID: [\w-]+,?/g, ""],
  [/\boperation error ([\w ]+): (\w+)/g, "$1 $2"],
  [/\bapi error /g, ""],
  [/^error: /, ""],
  [/(?:: )?provider=\w+@[\w.]+$/, ""],
];

/**
 * One paragraph per error, each once.
 * @param programError the program's own error, which the engine reports only in part.
 */
export function describeFailures(report: EngineReport, programError: Error | undefined): string {
  if (programError !== undefined) return programError.message;
  const texts = report.errors
    .filter(({ message }) => !REPETITIONS.some((repetition) => repetition.test(message)))
    .map((error) => describeError(error, report));
  return [...new Set(texts)].join("\n\n");
}

function describeError({ resource, message }: EngineError, report: EngineReport): string {
  const text = unwrap(message);
  const fix = likelyFix(text);
  const lines =
    resource === undefined
      ? [text]
      : [`${nameAndType(resource)} ${headingOf(report.resources.get(resource.urn))}`, indent(text)];
  return [...lines, ...(fix === undefined ? [] : [indent(`likely fix: ${fix}`)])].join("\n");
}

function headingOf(resource: Resource | undefined): string {
  return resource?.hasFailed === true && resource.change !== "same"
    ? `could not be ${CHANGES[resource.change]}:`
    : "has a problem:";
}

/** Removes what the layers around AWS's message add. */
export function unwrap(message: string): string {
  return WRAPPINGS.reduce(
    (text, [pattern, replacement]) => text.replace(pattern, replacement),
    message.trim(),
  ).trim();
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
