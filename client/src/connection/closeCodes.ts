/** Close codes of RFC 6455. @see PROTOCOL.md */
export const CLOSE_NORMAL = 1000;
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_TOO_BIG = 1009;

const CLOSE_POLICY_VIOLATION = 1008;

/** The close codes after which the client reconnects soon. After other codes, it reconnects later. */
const SOON_CODES: ReadonlySet<number | undefined> = new Set([
  undefined,
  CLOSE_NORMAL,
  1001,
  1005,
  CLOSE_ABNORMAL,
  1012,
]);

/** @param canRenew whether a function returns a new token, which may be all that is needed after 1008. */
export function isSoonCode(code: number | undefined, canRenew: boolean): boolean {
  return SOON_CODES.has(code) || (code === CLOSE_POLICY_VIOLATION && canRenew);
}
