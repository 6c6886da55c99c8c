/** Failures of connections, by reason, with explanations. */

export type FailureReason =
  | "dns"
  | "refused"
  | "unreachable"
  | "reset"
  | "tls"
  | "http"
  | "timeout"
  | "closed"
  | "server"
  | "client"
  | "other";

/** One failure: a reason, and a detail such as a status or a code. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: FailureReason;
  readonly detail: string;

  constructor(reason: FailureReason, detail: string, options?: ErrorOptions) {
    super(`${reason} ${detail}`, options);
    this.reason = reason;
    this.detail = detail;
  }
}

export interface FailureCount {
  readonly reason: FailureReason;
  readonly detail: string;
  readonly count: number;
}

/** Failures counted by reason and detail. */
export class FailureTally {
  readonly #counts = new Map<string, FailureCount>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add({ reason, detail }: Failure): void {
    const key = `${reason} ${detail}`;
    this.#counts.set(key, { reason, detail, count: (this.#counts.get(key)?.count ?? 0) + 1 });
    this.#total++;
  }

  /** The counts, most frequent first. */
  list(): FailureCount[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count);
  }
}

/** Error codes of Node's `dns`, `net` and `process`. {@link TLS_CODE} matches those of TLS. */
const REASON_OF_CODE: Readonly<Record<string, FailureReason>> = {
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  EAI_FAIL: "dns",
  EAI_NODATA: "dns",
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
  // Limits of this machine: open files, local ports.
  EMFILE: "client",
  ENFILE: "client",
  EADDRNOTAVAIL: "client",
};

/** OpenSSL's handshake errors, and the names of X.509 verification errors that Node's `tls` documents. */
const TLS_CODE =
  /^(?:EPROTO|ERR_TLS_.*|ERR_SSL_.*|CERT_.*|.*_(?:CERT|CERT_IN_CHAIN|ISSUER_CERT_LOCALLY|LEAF_SIGNATURE|CRL)|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)$/;

/** Finds the reason of a socket's error. An unknown error becomes `other` with the error's message. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof Error)) return new Failure("other", String(error));
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (code === undefined) return new Failure("other", error.message, { cause: error });
  const reason = REASON_OF_CODE[code] ?? (TLS_CODE.test(code) ? "tls" : "other");
  return new Failure(reason, code, { cause: error });
}

/** The likely cause of a failure, in one line. */
export function explain({ reason, detail }: Pick<FailureCount, "reason" | "detail">): string {
  switch (reason) {
    case "dns":
      return "the host name does not resolve";
    case "refused":
      return "nothing listens at this host and port";
    case "unreachable":
      return "no route to the host";
    case "reset":
      return "the other side reset the connection";
    case "tls":
      return "no TLS, or a certificate that this machine does not trust (--insecure accepts any)";
    case "http":
      return EXPLAINED_STATUS[detail] ?? "the upgrade was answered with this status";
    case "timeout":
      return "not done within --timeout";
    case "closed":
      return EXPLAINED_CLOSE_CODE[detail] ?? "closed by the server with this code";
    case "server":
      return EXPLAINED_ERROR[detail] ?? "the server answered a message with this error";
    case "client":
      return "this machine is at its limit: raise `ulimit -n`, or use more machines";
    case "other":
      return "";
  }
}

const EXPLAINED_STATUS: Readonly<Record<string, string>> = {
  "400": "not a valid WebSocket handshake, or a channel in the path (use --channel)",
  "401": "no token, or one that is not valid: set --token, or TOKEN in the environment",
  "403": "refused: the origin header, the load balancer's secret header, or a firewall rule",
  "404": "no WebSocket at this path",
  "429": "the server's limit of one user, which this machine or its token is: raise connectionsPerUser",
  "502": "the load balancer got no answer from a task",
  "503": "no healthy task, or all tasks are full",
  "504": "no answer from a task in time",
};

const EXPLAINED_ERROR: Readonly<Record<string, string>> = {
  too_many_subscriptions: "too many --subscriptions for subscriptionsPerConnection",
  // These settings limit the subscribes within 30 seconds, too.
  rate_limited: "too many --subscriptions for subscriptionsPerConnection, or --channels for channelsPerUser",
  too_many_channels: "too many --channels for channelsPerUser, or for maxChannels of a task",
  unavailable: "the server could not read or store in time",
  forbidden: "the token does not grant the channel",
};

const EXPLAINED_CLOSE_CODE: Readonly<Record<string, string>> = {
  "1001": "the server is going away",
  "1006": "cut without a closing handshake: a task was killed, or an idle timeout expired",
  "1008":
    "refused by policy: too many messages or bytes on one connection (use more --connections), or bytesPerSecondPerUser, or the token has expired",
  "1009": "a message was too big",
  "1011": "the server failed",
  "1012": "the server asks the client to reconnect",
  "1013": "the server is full, or this client reads too slowly",
};
