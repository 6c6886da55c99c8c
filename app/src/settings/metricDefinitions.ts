/** The metrics of a task, one row each: for Prometheus, for CloudWatch and for docs/metrics.md. */

/**
 * - `gauge`: a value that is read when the metrics are collected.
 * - `counter`: a number that only increases.
 * - `tally`: a counter with a label.
 * - `latency`: a histogram in Prometheus, and two percentiles in CloudWatch.
 * - `eventLoopDelay`: Node.js measures it.
 */
export type MetricKind = "gauge" | "counter" | "tally" | "latency" | "eventLoopDelay";

export interface MetricDefinition {
  readonly kind: MetricKind;
  /** Name in Prometheus. */
  readonly name: string;
  /** Unit in Prometheus. */
  readonly unit: string;
  /** One sentence. */
  readonly help: string;
  /** Label of a tally. */
  readonly label?: string;
  /** Name and unit in CloudWatch. A percentile adds `P50` or `P99` to the name. @default no metric in CloudWatch */
  readonly cloudWatch?: {
    readonly name: string;
    readonly unit: "Count" | "Bytes" | "Milliseconds" | "Percent";
  };
  /** Field of the log lines with the numbers by label, for CloudWatch Logs Insights. */
  readonly logField?: string;
  /** When an alarm is useful, as Markdown. @default never */
  readonly alarm?: string;
}

/** Namespace of the metrics in CloudWatch. */
export const METRIC_NAMESPACE = "WebSocket";

/** The only dimension of the metrics in CloudWatch. Its value is the setting `serviceName`, so all tasks of a service share them. */
export const SERVICE_DIMENSION = "ServiceName";

export const metricDefinitions = {
  connections: {
    kind: "gauge",
    name: "websocket_connections",
    unit: "connections",
    help: "Open WebSockets.",
    cloudWatch: { name: "Connections", unit: "Count" },
    alarm: "the maximum is near `WEBSOCKET_MAX_CONNECTIONS`",
  },
  subscriptions: {
    kind: "gauge",
    name: "websocket_subscriptions",
    unit: "subscriptions",
    help: "Subscriptions of all connections of `channels.v1`.",
  },
  channels: {
    kind: "gauge",
    name: "websocket_channels",
    unit: "channels",
    help: "Channels that the task follows: those with a subscription, and for 10 seconds after the last one.",
    cloudWatch: { name: "Channels", unit: "Count" },
    alarm: "the maximum is near `WEBSOCKET_MAX_CHANNELS`",
  },
  slowestLagBytes: {
    kind: "gauge",
    name: "websocket_slowest_cursor_lag_bytes",
    unit: "bytes",
    help: "Bytes that the slowest client is behind the end of its channel.",
    cloudWatch: { name: "SlowestCursorLag", unit: "Bytes" },
    alarm:
      "above half of `WEBSOCKET_RETAINED_BYTES` for minutes: plain clients are about to be closed with 1013, and others to receive a gap",
  },
  drainProgress: {
    kind: "gauge",
    name: "websocket_drain_progress",
    unit: "0 to 1",
    help: "Share of the clients that have been asked to leave; 0 before the drain.",
    cloudWatch: { name: "DrainProgress", unit: "Percent" },
  },
  deliveries: {
    kind: "counter",
    name: "websocket_deliveries_total",
    unit: "messages",
    help: "Messages written to sockets, counted once per receiver.",
    cloudWatch: { name: "Deliveries", unit: "Count" },
    alarm: "0 while `PublishedMessages` and `Connections` are above 0",
  },
  deliveredBytes: {
    kind: "counter",
    name: "websocket_delivered_bytes_total",
    unit: "bytes",
    help: "Bytes of the deliveries, including the headers of the frames.",
    cloudWatch: { name: "DeliveredBytes", unit: "Bytes" },
  },
  received: {
    kind: "counter",
    name: "websocket_received_messages_total",
    unit: "messages",
    help: "Messages received from clients.",
    cloudWatch: { name: "ReceivedMessages", unit: "Count" },
  },
  published: {
    kind: "counter",
    name: "websocket_published_messages_total",
    unit: "messages",
    help: "Messages that the log has stored.",
    cloudWatch: { name: "PublishedMessages", unit: "Count" },
  },
  duplicates: {
    kind: "counter",
    name: "websocket_duplicate_publishes_total",
    unit: "messages",
    help: "Publishes of messages that the log had stored before.",
    cloudWatch: { name: "DuplicatePublishes", unit: "Count" },
    alarm: "a lasting share of the published messages: acknowledgements do not arrive",
  },
  upgradesRefused: {
    kind: "tally",
    name: "websocket_upgrades_refused_total",
    unit: "upgrades",
    label: "status",
    help: "Refused upgrades and malformed requests, by the status of the answer.",
    cloudWatch: { name: "UpgradesRefused", unit: "Count" },
    logField: "UpgradesRefusedByStatus",
    alarm:
      "503: the task is full, or token keys cannot be fetched; 429: one user has reached a limit; 401, 403: an attack",
  },
  usersLimited: {
    kind: "tally",
    name: "websocket_users_limited_total",
    unit: "upgrades, subscribes, requests, connections",
    label: "limit",
    help: "Refused upgrades, subscribes and HTTP requests, and closed connections, of users at a limit, by the limit.",
    logField: "UsersLimitedByLimit",
    alarm:
      "above 0: an attack, or many clients behind one address have reached a limit of connections, channels, requests or bytes",
  },
  publishesRefused: {
    kind: "tally",
    name: "websocket_publishes_refused_total",
    unit: "messages",
    label: "code",
    help: "Refused publishes and malformed messages, by the code of the error.",
    cloudWatch: { name: "PublishesRefused", unit: "Count" },
    logField: "PublishesRefusedByCode",
    alarm: "`unavailable`: Valkey does not answer",
  },
  subscribesRefused: {
    kind: "tally",
    name: "websocket_subscribes_refused_total",
    unit: "messages",
    label: "code",
    help: "Refused subscribes and unsubscribes, by the code of the error.",
    logField: "SubscribesRefusedByCode",
    alarm: "`unavailable`: Valkey does not answer; `too_many_channels`: a task or a user is at its limit",
  },
  closes: {
    kind: "tally",
    name: "websocket_closes_total",
    unit: "connections",
    label: "code",
    help: "Closed connections, by the close code; 1006 is a connection without a Close frame.",
    cloudWatch: { name: "Closes", unit: "Count" },
    logField: "ClosesByCode",
    alarm: "more 1006 or 1013 than usual",
  },
  fanOut: {
    kind: "latency",
    name: "websocket_fan_out_seconds",
    unit: "seconds",
    help: "Time from the arrival of a batch from the log to its write to the last socket that accepted it.",
    cloudWatch: { name: "FanOut", unit: "Milliseconds" },
    alarm: "p99 above the delay that your users accept",
  },
  append: {
    kind: "latency",
    name: "websocket_append_seconds",
    unit: "seconds",
    help: "Time from a call of the log to its answer. Only Valkey reports it.",
    cloudWatch: { name: "Append", unit: "Milliseconds" },
    alarm: "p99 near `WEBSOCKET_PUBLISH_TIMEOUT_SECONDS`",
  },
  eventLoopDelay: {
    kind: "eventLoopDelay",
    name: "nodejs_eventloop_lag_p99_seconds",
    unit: "seconds",
    help: "Delay of the event loop.",
    cloudWatch: { name: "EventLoopDelay", unit: "Milliseconds" },
    alarm: "p99 above 0.1 s for minutes: the task is overloaded",
  },
} as const satisfies Record<string, MetricDefinition>;

/** The names of the metrics of one kind. */
export type MetricName<Kind extends MetricKind> = {
  [Name in keyof typeof metricDefinitions]: (typeof metricDefinitions)[Name]["kind"] extends Kind
    ? Name
    : never;
}[keyof typeof metricDefinitions];

/** Creates a value for every metric of one kind. */
export function forEachMetric<Kind extends MetricKind, Value>(
  kind: Kind,
  create: (name: MetricName<Kind>, definition: MetricDefinition) => Value,
): Record<MetricName<Kind>, Value> {
  // Object.fromEntries does not keep the names, which are those of this kind.
  return Object.fromEntries(
    Object.entries<MetricDefinition>(metricDefinitions)
      .filter(([, definition]) => definition.kind === kind)
      .map(([name, definition]) => [name, create(name as MetricName<Kind>, definition)]),
  ) as Record<MetricName<Kind>, Value>;
}
