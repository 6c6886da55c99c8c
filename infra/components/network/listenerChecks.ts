/** Checks of an existing listener and its load balancer, which only a lookup shows. */

/**
 * What AWS returns about a listener and its load balancer. A stand-in for AWS has no such listener, and leaves out what the
 * program checks.
 */
export interface ListenerFacts {
  readonly protocol?: string;
  readonly port: number;
  /** Whether the load balancer has only private addresses. */
  readonly internal?: boolean;
  /** Seconds without data after which the load balancer closes a connection. */
  readonly idleTimeoutSeconds?: number;
  readonly loadBalancerVpcId?: string;
}

/** What the stack expects of the listener. */
export interface ListenerRequirements {
  readonly clients:
    | {
        readonly kind: "cloudfront";
        /** Whether CloudFront connects through a VPC origin. */
        readonly internal: boolean;
        /** Protocol between CloudFront and the listener. */
        readonly protocol: "HTTP" | "HTTPS";
      }
    | { readonly kind: "everyone" };
  /** VPC of the tasks. */
  readonly vpcId: string;
  /** Interval of the server's pings in seconds; `undefined` if the server has another one. */
  readonly heartbeatSeconds: number | undefined;
}

/** The lowest port above 443 that an origin of CloudFront can have. */
const FIRST_ORIGIN_PORT = 1024;
const WELL_KNOWN_ORIGIN_PORTS: readonly number[] = [80, 443];

/** Returns a message for each fact that does not fit, with its fix. */
export function checkListener(facts: ListenerFacts, required: ListenerRequirements): readonly string[] {
  const { clients } = required;
  return [
    ...checkProtocol(facts, clients),
    ...(clients.kind === "cloudfront" ? checkOrigin(facts, clients) : []),
    ...checkIdleTimeout(facts, required),
    ...checkVpc(facts, required),
  ];
}

function checkProtocol(
  { protocol }: ListenerFacts,
  clients: ListenerRequirements["clients"],
): readonly string[] {
  if (clients.kind === "everyone") {
    return protocol === "HTTP"
      ? [
          "`listenerArn`: got an HTTP listener; expected an HTTPS listener, because clients connect with wss. " +
            "Fix: set the ARN of an HTTPS listener.",
        ]
      : [];
  }
  if (protocol === "HTTPS" && clients.protocol === "HTTP") {
    return [
      "`listenerArn`: got an HTTPS listener; expected an HTTP listener, because `originTls` is empty. " +
        "Fix: set `originTls` to a name in the certificate of the listener, or set the ARN of an HTTP listener.",
    ];
  }
  if (protocol === "HTTP" && clients.protocol === "HTTPS") {
    return [
      "`listenerArn`: got an HTTP listener; expected an HTTPS listener, because `originTls` has a value. " +
        "Fix: remove `originTls`, or set the ARN of an HTTPS listener.",
    ];
  }
  return [];
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html */
function checkOrigin(
  { internal, port }: ListenerFacts,
  clients: Extract<ListenerRequirements["clients"], { kind: "cloudfront" }>,
): readonly string[] {
  const messages: string[] = [];
  if (internal === true && !clients.internal) {
    messages.push(
      "`originAccess`: got public, and the load balancer of `listenerArn` is internal; expected private. " +
        "Fix: set `originAccess` to private, or set the ARN of a listener of a public load balancer.",
    );
  }
  if (internal === false && clients.internal) {
    messages.push(
      "`originAccess`: got private, and the load balancer of `listenerArn` is public; expected public. " +
        "Fix: set `originAccess` to public, or set the ARN of a listener of an internal load balancer.",
    );
  }
  if (port < FIRST_ORIGIN_PORT && !WELL_KNOWN_ORIGIN_PORTS.includes(port)) {
    messages.push(
      `\`listenerArn\`: got a listener on port ${port}; expected port ${WELL_KNOWN_ORIGIN_PORTS.join(", ")} or at least ` +
        `${FIRST_ORIGIN_PORT}, to which CloudFront can connect. Fix: set the ARN of another listener.`,
    );
  }
  return messages;
}

function checkIdleTimeout(
  { idleTimeoutSeconds }: ListenerFacts,
  { heartbeatSeconds }: ListenerRequirements,
): readonly string[] {
  if (idleTimeoutSeconds === undefined || heartbeatSeconds === undefined) return [];
  if (heartbeatSeconds < idleTimeoutSeconds) return [];
  const shorter = Math.floor(idleTimeoutSeconds / 2);
  return [
    `\`heartbeatSeconds\`: got ${heartbeatSeconds}; expected less than ${idleTimeoutSeconds}, the idle timeout of the load ` +
      "balancer of `listenerArn`, which otherwise closes quiet connections. " +
      `Fix: ${shorter > 0 ? `set \`heartbeatSeconds\` to ${shorter}, or ` : ""}increase the idle timeout of the load balancer.`,
  ];
}

function checkVpc({ loadBalancerVpcId }: ListenerFacts, { vpcId }: ListenerRequirements): readonly string[] {
  if (loadBalancerVpcId === undefined || loadBalancerVpcId === vpcId) return [];
  return [
    `\`vpcId\`: got ${vpcId}; expected ${loadBalancerVpcId}, the VPC of the load balancer of \`listenerArn\`. ` +
      `Fix: set \`vpcId\` to ${loadBalancerVpcId} with its subnets, or set the ARN of a listener in ${vpcId}.`,
  ];
}
