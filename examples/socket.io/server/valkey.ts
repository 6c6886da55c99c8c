import { Cluster, Redis, type RedisOptions } from "iovalkey";

const DEFAULT_PORT = 6379;
/** The default of one second is short for a first connection with TLS. */
const SLOTS_TIMEOUT_MS = 5000;

/** Connects to the backplane of the service. Returns `undefined` if the service has none. */
export function connectToValkey(): Redis | Cluster | undefined {
  const { VALKEY_URL, VALKEY_PASSWORD = "", VALKEY_CLUSTER } = process.env;
  if (VALKEY_URL === undefined) return undefined;

  const { protocol, hostname: host, port, username } = new URL(VALKEY_URL);
  const node = { host, port: Number(port || DEFAULT_PORT) };
  const options: RedisOptions = {
    username,
    password: VALKEY_PASSWORD,
    ...(protocol === "rediss:" && { tls: {} }),
  };
  const valkey =
    VALKEY_CLUSTER === "true"
      ? new Cluster([node], {
          redisOptions: options,
          slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
          // TLS compares the names of the nodes with the certificate, so they are not resolved here.
          dnsLookup: (address, callback) => callback(null, address),
        })
      : new Redis({ ...node, ...options });
  // The client connects again by itself.
  valkey.on("error", ({ message }: Error) => console.error(`Valkey: ${message}`));
  return valkey;
}
