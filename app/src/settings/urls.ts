/** URLs and origins in settings: which are legal. They are parsed as Node parses them where they are used. */

/** The origin of pages that have none of their own, such as a sandboxed frame or a local file. */
const OPAQUE = "null";

/** As an origin is written: a scheme, a host that may start with `*.`, and a port; neither path nor user information. */
export const ORIGIN = /null|(?<scheme>[a-z][a-z0-9+.-]*:\/\/)(?<wildcard>\*\.)?(?<authority>[^\s/?#@*,\\]*)/i;

/** Stands for the wildcard while a pattern is parsed as a URL. */
const ANY_LABEL = "any-label";

/** Schemes whose origins have no host. */
const WITHOUT_HOST: readonly string[] = ["file:"];

/** `fetch` refuses a URL with user information. */
export function isFetchable(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === "" && url.password === "";
}

/** A URL whose every part has an effect: there is one database, and the password is another setting. */
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
 * An origin as browsers send it. A host that starts with `*.` stands for every host that has exactly one more label.
 * @returns `undefined` if the text is no origin: neither `null` nor a scheme and a host.
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
