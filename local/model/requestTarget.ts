/** Splits a request target at the first question mark. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf("?");
  return mark < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** The Host header without its port; an IPv6 address keeps its brackets. */
export function hostName(host: string): string {
  return host.replace(/:\d+$/, "");
}
