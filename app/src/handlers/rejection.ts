/** The form of a code. Clients compare it, and metrics and logs may contain it. */
const CODE = /^[a-z_]{1,64}$/;

const MAX_MESSAGE_BYTES = 1024;

/**
 * A refusal with a reason for the client. A handler throws it.
 *
 * ```ts
 * throw new Rejection("too_long", "A message has at most 500 characters.");
 * ```
 */
export class Rejection extends Error {
  override readonly name = "Rejection";
  /** For programs. */
  readonly code: string;

  /**
   * @param code 1 to 64 small letters and `_`. A code of PROTOCOL.md has its meaning there: clients repeat a message that is
   *   rejected as `unavailable`.
   * @param message for developers, at most 1,024 bytes. The client receives it.
   * @throws {TypeError} if the code or the message is of another form.
   */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    if (!CODE.test(code)) {
      throw new TypeError(
        `\`code\`: got ${JSON.stringify(code)}; expected 1 to 64 small letters and underscores.`,
      );
    }
    const bytes = Buffer.byteLength(message);
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new TypeError(`\`message\`: got ${bytes} bytes; expected at most ${MAX_MESSAGE_BYTES}.`);
    }
    this.code = code;
  }
}
