/** The frame reader of the library `ws`, for the frames that `frameReader.ts` does not read. */
import type { Writable } from "node:stream";

import * as ws from "ws";

import { CloseCode } from "../../wire/closeCode.ts";
import { decodeUtf8 } from "./clientFrame.ts";

/** Maximum number of fragments of one message. */
export const MAX_FRAGMENTS = 1024;

export const NOT_UTF_8 = "not UTF-8";

/** The library's errors that have a close code of their own; the others are protocol errors. */
const CLOSE_CODES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: CloseCode.invalidPayload,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CloseCode.messageTooBig,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CloseCode.messageTooBig,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CloseCode.policyViolation,
};

/** The library exports it, but its types do not declare it. */
const { Receiver } = ws as unknown as {
  readonly Receiver: new (options: {
    readonly isServer: true;
    readonly maxPayload: number;
    readonly maxFragments: number;
  }) => Writable;
};

export interface LibraryHandler {
  /** @param text `undefined` if the payload is not UTF-8. */
  onMessage(text: string | undefined, isBinary: boolean): void;
  /** @param code 1005 if the Close frame has no code. */
  onCloseFrame(code: number): void;
  /** Called in a later turn of the event loop. */
  onError(closeCode: number, reason: string): void;
}

/** @param bytes a whole message, a Close frame, or a malformed frame. */
export function receiveByLibrary(bytes: Buffer, maxPayloadBytes: number, handler: LibraryHandler): void {
  const library = new Receiver({
    isServer: true,
    maxPayload: maxPayloadBytes,
    maxFragments: MAX_FRAGMENTS,
  });
  library.on("message", (payload: Buffer, isBinary: boolean) => {
    handler.onMessage(decodeUtf8(payload, 0, payload.length), isBinary);
  });
  library.on("conclude", (code: number) => {
    handler.onCloseFrame(code);
  });
  library.on("error", ({ code = "", message }: Error & { readonly code?: string }) => {
    const closeCode = CLOSE_CODES[code] ?? CloseCode.protocolError;
    handler.onError(closeCode, describeError(closeCode, message, maxPayloadBytes));
  });
  library.write(bytes);
}

/** @param message the library's. It fits into a Close frame, and contains nothing that the client sent. */
function describeError(closeCode: number, message: string, maxPayloadBytes: number): string {
  if (closeCode === CloseCode.messageTooBig) return `more than ${maxPayloadBytes} bytes`;
  return closeCode === CloseCode.invalidPayload ? NOT_UTF_8 : message;
}
