import { ExpectedError } from "../settings/expectedError.ts";
import type { Settings } from "../settings/settings.ts";

/**
 * Turns an error of `server.listen` that the operator can correct into an {@link ExpectedError}. Returns every other error as
 * it is.
 * @param variable the environment variable that sets the port.
 */
export function explainListenError(
  error: unknown,
  { host, port }: Pick<Settings, "host" | "port">,
  variable: string,
): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "EADDRINUSE":
      return new ExpectedError(
        `\`${variable}\`: got ${port}, which is in use on ${host}; expected a free port, or 0 for any free port.`,
      );
    case "EACCES":
      return new ExpectedError(
        `\`${variable}\`: got ${port}, which this user may not open on ${host}; expected a port above 1023.`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ExpectedError(`\`HOST\`: got ${JSON.stringify(host)}; expected an address of this machine.`);
    default:
      return error;
  }
}
