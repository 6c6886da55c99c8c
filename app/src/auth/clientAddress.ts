import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";

/** The groups before an IPv4 address in an IPv6 address: RFC 4291 §2.5.5.2. */
const IPV4_IN_IPV6: readonly number[] = [0, 0, 0, 0, 0, 0xffff];
const IPV6_GROUPS = 8;

/** Some load balancers append the port as well, and then write an IPv6 address in brackets. */
const WITH_PORT = /^(?:\[(.+)\]|([^:]+)):\d+$/;

/** Number of groups of an IPv6 address that identify a network: one client has all 2^64 addresses of a /64. */
const NETWORK_GROUPS = 4;

/**
 * Returns the client's IPv4 address, or the /64 network of its IPv6 address.
 *
 * Each proxy appends the address of its peer to `X-Forwarded-For`. A client can send any entries before those, so entries
 * are counted from the right.
 * @param trustedProxies number of proxies that each request passes; 0 uses the address of the socket.
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const peer = socket.remoteAddress ?? "";
  if (trustedProxies === 0) return toNetwork(peer);
  const forwarded = [headers["x-forwarded-for"] ?? []].flat().join(",");
  const entries = forwarded.split(",").map((entry) => entry.trim());
  // A request with fewer entries came from the peer of its first proxy.
  const entry = entries.at(-trustedProxies) ?? entries[0] ?? "";
  const [, ipv6, ipv4] = WITH_PORT.exec(entry) ?? [];
  const address = ipv6 ?? ipv4 ?? entry;
  return toNetwork(isIP(address) === 0 ? peer : address);
}

function toNetwork(address: string): string {
  if (!isIPv6(address)) return address;
  const [start = "", end] = address.split("%", 1).join().split("::");
  const first = parseGroups(start);
  const last = parseGroups(end ?? "");
  const zeros = Array<number>(end === undefined ? 0 : IPV6_GROUPS - first.length - last.length).fill(0);
  const groups = [...first, ...zeros, ...last];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  if (groups.slice(0, IPV4_IN_IPV6.length).join() !== IPV4_IN_IPV6.join()) return `${network.join(":")}::/64`;
  return groups
    .slice(IPV4_IN_IPV6.length)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}

/** The last 32 bits may be written as an IPv4 address. */
function parseGroups(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
