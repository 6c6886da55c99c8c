/** The tokens that the tasks of our server require. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type AccessSettings, settingDefinitions } from "../../app/src/settings/settings.ts";
import type { DeclaredContainer } from "./container.ts";

export interface RequiredTokens {
  /** The issuer of the tokens. */
  readonly issuer: string;
  /** Whether they are development tokens, which replace what the stack declares. */
  readonly isDevelopment: boolean;
  /** What the stack declares: `open` or `token`. */
  readonly declaredAccess: string;
}

/**
 * @param container of the service; `undefined` if the stack has none.
 * @param replacement of the declared settings, with `--tokens`.
 * @returns `undefined` if clients need no token of our server.
 * @throws {ExpectedError} if there is a replacement, but no service of our server.
 */
export function requiredTokens(
  container: DeclaredContainer | undefined,
  replacement: AccessSettings | undefined,
): RequiredTokens | undefined {
  if (container === undefined || container.image !== undefined) {
    if (replacement === undefined) return undefined;
    throw new ExpectedError(
      "`--tokens`: got a stack without a service of this server; expected one, because only this server checks tokens. " +
        "Fix: start without `--tokens`",
    );
  }
  const { access, jwtIssuer } = settingDefinitions;
  const declaredAccess = container.environment[access.variable] ?? access.default;
  if (replacement !== undefined)
    return { issuer: replacement.jwtIssuer, isDevelopment: true, declaredAccess };
  const issuer = container.environment[jwtIssuer.variable] ?? "";
  return declaredAccess === "token" ? { issuer, isDevelopment: false, declaredAccess } : undefined;
}
