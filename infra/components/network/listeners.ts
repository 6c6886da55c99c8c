/** The listeners of the load balancer. */
import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { Generations } from "../generations.ts";

export const HTTP_PORT = 80;
export const HTTPS_PORT = 443;

/**
 * TLS 1.3 and 1.2 with post-quantum key exchange. The default policy of AWS allows TLS 1.0.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
 */
const TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

const HTTP = { port: HTTP_PORT, protocol: "HTTP" } as const;

/** Redirects to the same host, path and query; the load balancer replaces the placeholders. */
const HTTPS_REDIRECT = {
  protocol: "HTTPS",
  port: String(HTTPS_PORT),
  host: "#{host}",
  path: "/#{path}",
  query: "#{query}",
  statusCode: "HTTP_301",
} as const;

/** The clients of the load balancer. */
export type Clients = CloudFrontClients | EveryoneClients;

/** Only CloudFront connects. Every request without the required header gets status 403. */
interface CloudFrontClients {
  readonly kind: "cloudfront";
  /** Whether the load balancer has only private addresses, for a VPC origin. */
  readonly internal: boolean;
  readonly requiredHeader: RequiredHeader;
  /** Certificate of an HTTPS listener. @default an HTTP listener */
  readonly certificateArn?: pulumi.Input<string>;
}

/** Clients from any address connect with HTTPS. HTTP requests are redirected to HTTPS. */
interface EveryoneClients {
  readonly kind: "everyone";
  /** Certificate of the HTTPS listener. */
  readonly certificateArn: pulumi.Input<string>;
}

/** The header that a request needs to reach a task. */
interface RequiredHeader {
  readonly name: string;
  /** Generation of the first value. */
  readonly generation: number;
  /** The accepted values. Secret. */
  readonly values: Generations<pulumi.Input<string>>;
}

interface ListenersArgs<C extends Clients> {
  /** Prefix of the logical names. */
  readonly name: string;
  readonly loadBalancerArn: pulumi.Output<string>;
  readonly targetGroupArn: pulumi.Output<string>;
  readonly clients: C;
}

/**
 * Declares the listeners for the clients.
 * @returns the listener or the rule that forwards requests to the target group.
 */
export function declareListeners(
  { clients, ...args }: ListenersArgs<Clients>,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  return clients.kind === "cloudfront"
    ? declareCloudFrontListener({ ...args, clients }, child)
    : declareEveryoneListeners({ ...args, clients }, child);
}

function declareCloudFrontListener(
  {
    name,
    loadBalancerArn,
    targetGroupArn,
    clients: { certificateArn, requiredHeader },
  }: ListenersArgs<CloudFrontClients>,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const listener = new aws.lb.Listener(
    `${name}-${certificateArn === undefined ? "http" : "https"}`,
    {
      loadBalancerArn,
      ...(certificateArn === undefined ? HTTP : withHttps(certificateArn)),
      defaultActions: [
        {
          type: "fixed-response",
          fixedResponse: { statusCode: "403", contentType: "text/plain", messageBody: "Forbidden" },
        },
      ],
    },
    child,
  );

  // CloudFront needs minutes to deploy another header or value. So a new name or generation is a new rule, and Pulumi deletes
  // the old rule after CloudFront has finished. The provider assigns priorities: each new rule gets the highest one plus 1.
  const { name: headerName, generation, values } = requiredHeader;
  return new aws.lb.ListenerRule(
    `${name}-${headerName}-${generation}`,
    {
      listenerArn: listener.arn,
      conditions: [{ httpHeader: { httpHeaderName: headerName, values: [...values] } }],
      actions: [{ type: "forward", targetGroupArn }],
    },
    child,
  );
}

function declareEveryoneListeners(
  { name, loadBalancerArn, targetGroupArn, clients: { certificateArn } }: ListenersArgs<EveryoneClients>,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  new aws.lb.Listener(
    `${name}-http`,
    { loadBalancerArn, ...HTTP, defaultActions: [{ type: "redirect", redirect: HTTPS_REDIRECT }] },
    child,
  );
  return new aws.lb.Listener(
    `${name}-https`,
    { loadBalancerArn, ...withHttps(certificateArn), defaultActions: [{ type: "forward", targetGroupArn }] },
    child,
  );
}

function withHttps(
  certificateArn: pulumi.Input<string>,
): Pick<aws.lb.ListenerArgs, "port" | "protocol" | "sslPolicy" | "certificateArn"> {
  return { port: HTTPS_PORT, protocol: "HTTPS", sslPolicy: TLS_POLICY, certificateArn };
}
