/** The listeners of the load balancer. */
import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { declareHeaderRule } from "./listenerRules.ts";
import type { RequiredHeader, RuleTransform } from "./listenerRules.ts";

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

interface ListenersArgs<C extends Clients> {
  /** Prefix of the logical names. */
  readonly name: string;
  readonly loadBalancerArn: pulumi.Output<string>;
  readonly targetGroupArn: pulumi.Output<string>;
  readonly clients: C;
  readonly transform?: ListenersTransform | undefined;
}

/** Changes of the listeners before they are declared. */
export interface ListenersTransform extends RuleTransform {
  /** Changes each listener. The name of the listener ends with `-http` or `-https`. */
  readonly listener?: Transform<aws.lb.ListenerArgs>;
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
  { name, loadBalancerArn, targetGroupArn, clients, transform }: ListenersArgs<CloudFrontClients>,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const { certificateArn, requiredHeader } = clients;
  const listener = declareListener(
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
    transform,
    child,
  );
  // The provider assigns priorities: each new rule gets the highest one plus 1.
  return declareHeaderRule(
    { name, listenerArn: listener.arn, targetGroupArn, transform },
    requiredHeader,
    child,
  );
}

function declareEveryoneListeners(
  { name, loadBalancerArn, targetGroupArn, clients, transform }: ListenersArgs<EveryoneClients>,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  declareListener(
    `${name}-http`,
    { loadBalancerArn, ...HTTP, defaultActions: [{ type: "redirect", redirect: HTTPS_REDIRECT }] },
    transform,
    child,
  );
  return declareListener(
    `${name}-https`,
    {
      loadBalancerArn,
      ...withHttps(clients.certificateArn),
      defaultActions: [{ type: "forward", targetGroupArn }],
    },
    transform,
    child,
  );
}

function declareListener(
  name: string,
  args: aws.lb.ListenerArgs,
  transform: ListenersTransform | undefined,
  child: pulumi.CustomResourceOptions,
): aws.lb.Listener {
  return new aws.lb.Listener(...applyTransform<aws.lb.ListenerArgs>(transform?.listener, name, args, child));
}

function withHttps(
  certificateArn: pulumi.Input<string>,
): Pick<aws.lb.ListenerArgs, "port" | "protocol" | "sslPolicy" | "certificateArn"> {
  return { port: HTTPS_PORT, protocol: "HTTPS", sslPolicy: TLS_POLICY, certificateArn };
}
