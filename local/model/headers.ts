/** Header fields as they stand on the wire: in order, with their case, a name as often as it was sent. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** From Node's flat `rawHeaders`. */
export function fromRaw(rawHeaders: readonly string[]): Headers {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ""] as const] : [],
  );
}

export function valuesOf(headers: Headers, name: string): readonly string[] {
  return headers.filter(([key]) => same(key, name)).map(([, value]) => value);
}

export function without(headers: Headers, ...names: readonly string[]): Headers {
  return headers.filter(([key]) => !names.some((name) => same(key, name)));
}

/** With exactly one field of this name. */
export function withHeader(headers: Headers, name: string, value: string): Headers {
  return [...without(headers, name), [name, value]];
}

/** With `value` at the end of the field's comma-separated list. */
export function withAppended(headers: Headers, name: string, value: string): Headers {
  return withHeader(headers, name, [...valuesOf(headers, name), value].join(", "));
}

/** RFC 9110 §7.6.1: fields that speak of this connection only, besides those that Connection itself names. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Without these a message would end elsewhere, or mean another host, for the next hop: Connection cannot remove them. */
const NEVER_HOP_BY_HOP = ["content-length", "host"];

/** Only the fields that travel on to the next hop. */
export function endToEnd(headers: Headers): Headers {
  const named = valuesOf(headers, "connection")
    .flatMap((value) => value.split(",").map((name) => name.trim()))
    .filter((name) => !NEVER_HOP_BY_HOP.some((kept) => same(kept, name)));
  return without(headers, ...HOP_BY_HOP, ...named);
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
