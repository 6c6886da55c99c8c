/** Header fields as they were received: in order, with their case, and with repeated names. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** Pairs of the flat list in Node's `rawHeaders`. */
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

/** Replaces all fields of this name by one. */
export function withHeader(headers: Headers, name: string, value: string): Headers {
  return [...without(headers, name), [name, value]];
}

/** Appends a value to the field's comma-separated list. */
export function withAppended(headers: Headers, name: string, value: string): Headers {
  return withHeader(headers, name, [...valuesOf(headers, name), value].join(", "));
}

/** RFC 9110 §7.6.1: fields that apply to one connection, besides those that the Connection field lists. */
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

/** Without these, the next hop would find another end of the message, or another host: the Connection field cannot remove them. */
const NEVER_HOP_BY_HOP = ["content-length", "host"];

/** The fields that are forwarded to the next hop. */
export function endToEnd(headers: Headers): Headers {
  const named = valuesOf(headers, "connection")
    .flatMap((value) => value.split(",").map((name) => name.trim()))
    .filter((name) => !NEVER_HOP_BY_HOP.some((kept) => same(kept, name)));
  return without(headers, ...HOP_BY_HOP, ...named);
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
