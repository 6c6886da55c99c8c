/**
 * Encoding of WebSocket frames as a server sends them: one whole, unmasked frame per message.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */

/** FIN set, opcode 1: a text message in one frame. */
const WHOLE_TEXT = 0x81;

/** Longest payload whose length fits into the frame's second byte. */
const MAX_7_BIT_LENGTH = 125;
const MAX_16_BIT_LENGTH = 0xffff;

/** Values of the second byte that announce a longer length field. */
const LENGTH_IS_16_BIT = 126;
const LENGTH_IS_64_BIT = 127;

/** The text as one frame, header and UTF-8 payload in one buffer. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const headerLength = length <= MAX_7_BIT_LENGTH ? 2 : length <= MAX_16_BIT_LENGTH ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerLength + length);

  frame[0] = WHOLE_TEXT;
  if (headerLength === 2) {
    frame[1] = length;
  } else if (headerLength === 4) {
    frame[1] = LENGTH_IS_16_BIT;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_IS_64_BIT;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, headerLength);
  return frame;
}
