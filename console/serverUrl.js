/* global URL */

const SCHEMES = ["ws", "wss", "http", "https"];

/** The path of the server. @see PROTOCOL.md */
const SERVER_PATH = /^\/wss\/?$/;

/**
 * Returns what is wrong with the URL of a server, or undefined. The page checks it before it connects, because a browser does
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
  if (SERVER_PATH.test(path)) return undefined;
  return `Server: got the path ${path}; expected /wss, and the names of channels below.`;
}
