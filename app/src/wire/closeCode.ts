/**
 * The codes with which the server closes connections. The names are those of RFC 6455 and the IANA registry.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
 * @see https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
 */
export const CloseCode = {
  /** The task shuts down. The client connects again, to another task. */
  goingAway: 1001,
  /** A frame violates RFC 6455. */
  protocolError: 1002,
  /** A text frame is not UTF-8. */
  invalidPayload: 1007,
  /** The client exceeds its rates, sends a message too slowly or in too many fragments, or its token has expired. The application disconnects its user. */
  policyViolation: 1008,
  /** A message exceeds the maximum size. */
  messageTooBig: 1009,
  /** The client connects again, so that another task serves it. */
  serviceRestart: 1012,
  /** The client reads too slowly, or the task holds too many unfinished messages. The client connects again later. */
  tryAgainLater: 1013,
} as const;
