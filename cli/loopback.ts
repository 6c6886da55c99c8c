/** The IPv4 loopback address: what listens there can be reached from this machine only. */
export const LOOPBACK = "127.0.0.1";
