/**
 * The cookies by which a client stays with one target of a group, or with one target group of a rule.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#sticky-sessions
 */
import { type Headers, valuesOf } from "../headers.ts";

/** Whether a request has the cookie of this name, or the one for requests of other origins, with this value. */
export function hasCookie(headers: Headers, name: string, value: string): boolean {
  const cookies = valuesOf(headers, "Cookie").flatMap((field) => field.split(/; */));
  return [name, `${name}CORS`].some((cookie) => cookies.includes(`${cookie}=${encode(value)}`));
}

/** The headers that set both cookies. @param now milliseconds since 1970. */
export function setCookies(name: string, value: string, seconds: number, now: number): Headers {
  const attributes = `${encode(value)}; Expires=${new Date(now + seconds * 1000).toUTCString()}; Path=/`;
  return [
    ["Set-Cookie", `${name}=${attributes}`],
    ["Set-Cookie", `${name}CORS=${attributes}; SameSite=None; Secure`],
  ];
}

/** AWS encrypts the value. */
function encode(value: string): string {
  return Buffer.from(value).toString("base64url");
}
