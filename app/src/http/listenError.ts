import type { Settings } from "../settings/settings.ts";

/** The server cannot listen where it should; the message says why, for people. */
export class ListenError extends Error {
  override readonly name = "ListenError";

  /**
   * What an error of `listen` means; an error that means something else stays as it is.
   * @param variable the environment variable that sets the port.
   */
  static from(error: unknown, { host, port }: Pick<Settings, "host" | "port">, variable = "PORT"): unknown {
    if (!(error instanceof Error) || !("code" in error)) return error;
    switch (error.code) {
      case "EADDRINUSE":
        return new ListenError(
          `Port ${port} on ${host} is taken. Set ${variable} to another one, or to 0 for any.`,
        );
      case "EACCES":
        return new ListenError(
          `Port ${port} on ${host} is not permitted. Set ${variable} to one above 1023.`,
        );
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return new ListenError(`HOST is ${JSON.stringify(host)}, which is no address of this machine.`);
      default:
        return error;
    }
  }
}
