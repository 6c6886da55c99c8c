/* global URL */

const SCHEMES = ["ws", "wss", "http", "https"];

/** The paths of channels. @see PROTOCOL.md */
const CHANNEL_PATH = /^\/wss(?:\/|\/(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64})?$/;

/**
 * Returns what is wrong with the URL of a channel, or undefined. The page checks it before it connects, because a browser does
 * not report why a server refuses a connection.
 */
export function findUrlProblem(text) {
  const [, scheme = "", rest = text] = /^([^:/]*):\/\/(.*)$/.exec(text) ?? [];
  if (!SCHEMES.includes(scheme.toLowerCase())) {
    return `Server: got ${text}; expected a WebSocket URL, such as wss://${rest}`;
  }
  let path;
  try {
    path = new URL(text).pathname;
  } catch {
    return `Server: got ${text}; expected a valid URL.`;
  }
  if (CHANNEL_PATH.test(path)) return undefined;
  return `Server: got the path ${path}; expected /wss or /wss/NAME with a name of 1 to 64 letters, digits, ".", "_", "~" and "-".`;
}
