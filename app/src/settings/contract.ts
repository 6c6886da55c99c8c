/** What the server and the infrastructure must agree on and no setting changes. */

/** The paths of the server's HTTP requests. The load balancer, the health checks and the outputs use them too. */
export const PATHS = {
  /** WebSocket upgrades: the path itself is the default channel, a name below it is another channel. */
  websocket: "/wss",
  /** The container's health check. */
  health: "/health",
  /** The load balancer's health check. */
  root: "/",
  /** The console page. */
  console: "/index.html",
} as const;

/**
 * Time without bytes from the origin after which CloudFront closes a WebSocket, in seconds. It cannot be changed.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/distribution-working-with.websockets.html
 */
export const CLOUDFRONT_IDLE_SECONDS = 600;

/**
 * Time for closing the listener and the log after `drainSeconds`, in seconds. After both together the process exits by
 * force. The stop timeout of a task must be longer.
 */
export const EXIT_GRACE_SECONDS = 4;

/**
 * Options of Node.js for the process of the server. Without the first one, the young generation of the heap grows up to 128 MiB
 * while clients connect, and remains in memory.
 * @see {@link ../../../docs/decisions/0045-the-young-generation-is-small.md}
 */
export const SERVER_NODE_OPTIONS: readonly string[] = ["--max-semi-space-size=4"];
