/** The address that a request came from, as far as the proxies in front of the server are known. */
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";

const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const IPV6_GROUPS = 8;

/** Some load balancers append the port too, and then put an IPv6 address in brackets. */
const WITH_PORT = /^(?:\[(.+)\]|([^:]+)):\d+$/;

/** Groups of an IPv6 address that name a network: one client has all 2^64 addresses of a /64. */
const NETWORK_GROUPS = 4;

/**
 * The client's IPv4 address, or the /64 network of its IPv6 address.
 *
 * Each proxy appends the address of its peer to `X-Forwarded-For`. A client can put anything in front of that, so entries
 * are counted from the right, and never from the left.
 * @param trustedProxies how many proxies each request passes; 0 takes the address of the socket.
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const peer = socket.remoteAddress ?? "";
  if (trustedProxies === 0) return networkOf(peer);
  const forwarded = [headers["x-forwarded-for"] ?? []].flat().join(",");
  const entries = forwarded.split(",").map((entry) => entry.trim());
  // A request that has passed fewer proxies has come from the first one's peer.
  const entry = entries.at(-trustedProxies) ?? entries[0] ?? "";
  const [, ipv6, ipv4] = WITH_PORT.exec(entry) ?? [];
  const address = ipv6 ?? ipv4 ?? entry;
  return networkOf(isIP(address) === 0 ? peer : address);
}

function networkOf(address: string): string {
  const [, ipv4] = IPV4_IN_IPV6.exec(address) ?? [];
  if (ipv4 !== undefined) return ipv4;
  if (!isIPv6(address)) return address;
  const [start = "", end] = address.split("%", 1).join().split("::");
  const first = groupsOf(start);
  const last = groupsOf(end ?? "");
  const zeros = Array<string>(end === undefined ? 0 : IPV6_GROUPS - first.length - last.length).fill("0");
  const network = [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

/** The last 32 bits may be written as an IPv4 address; none of them names the network. */
function groupsOf(part: string): string[] {
  return part === "" ? [] : part.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
