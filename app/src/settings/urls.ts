/** The legal URLs and origins in settings. They are parsed with the parser of Node.js, which also uses them. */

/** The origin of pages without a host, such as a sandboxed frame or a local file. */
const OPAQUE = "null";

/** An origin: a scheme, a host that may start with `*.`, and a port, without a path and without user information. */
export const ORIGIN = /null|(?<scheme>[a-z][a-z0-9+.-]*:\/\/)(?<wildcard>\*\.)?(?<authority>[^\s/?#@*,\\]*)/i;

/** Replaces the wildcard while a pattern is parsed as a URL. */
const ANY_LABEL = "any-label";

/** Schemes whose origins have no host. */
const WITHOUT_HOST: readonly string[] = ["file:"];

/** Whether `fetch` accepts the URL: it refuses user information. */
export function isFetchable(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === "" && url.password === "";
}

/** Whether every part of the URL has an effect: there is only database 0, and the password is another setting. */
export function isValkeyUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.hostname === "" || !isDecodable(url.username)) return false;
  return (
    url.password === "" && ["", "/", "/0"].includes(url.pathname) && url.search === "" && url.hash === ""
  );
}

function isDecodable(component: string): boolean {
  try {
    decodeURIComponent(component);
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns an origin as browsers send it. A host that starts with `*.` matches every host with exactly one more label.
 * @returns `undefined` if the text is not an origin: neither `null` nor a scheme and a host.
 */
export function canonicalOrigin(text: string): string | undefined {
  if (text === OPAQUE) return OPAQUE;
  const {
    scheme = "",
    wildcard,
    authority = "",
  } = new RegExp(`^(?:${ORIGIN.source})$`, ORIGIN.flags).exec(text)?.groups ?? {};
  if (wildcard !== undefined && !/^[^:[]/.test(authority)) return undefined;
  const url = URL.parse(`${scheme}${wildcard === undefined ? "" : `${ANY_LABEL}.`}${authority}`);
  if (url === null || (url.host === "" && !WITHOUT_HOST.includes(url.protocol))) return undefined;
  const origin = `${url.protocol}//${url.host.toLowerCase()}`;
  return wildcard === undefined ? origin : origin.replace(ANY_LABEL, "*");
}
