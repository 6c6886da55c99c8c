/** Stand-ins for the lookups of existing resources: identifiers in the format of AWS, derived from those that the program has. */
import { createHash } from "node:crypto";

/** Port of an existing listener, whatever its protocol is. */
export const EXISTING_LISTENER_PORT = 443;

/** ARN of a listener: `arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/app/NAME/ID/LISTENER_ID`. */
const LISTENER_ARN =
  /^(?<prefix>arn:[\w-]+:elasticloadbalancing:.*?):listener\/(?<suffix>app\/[^/]+\/[^/]+)\/[^/]+$/;

const LOAD_BALANCER_ARN =
  /:(?<region>[^:]*):[^:]*:loadbalancer\/(?<suffix>app\/(?<name>[^/]+)\/(?<id>[^/]+))$/;

const HEX_ID = 16;

/** Returns the ARN of the load balancer of a listener, which the ARN of the listener contains. */
export function loadBalancerArnOf(listenerArn: string): string {
  const { prefix = "", suffix = "" } = LISTENER_ARN.exec(listenerArn)?.groups ?? {};
  return `${prefix}:loadbalancer/${suffix}`;
}

/** Returns an existing listener. Its protocol is left out: the program compares it with what the stack expects. */
export function existingListener(arn: string): Record<string, unknown> {
  return { arn, loadBalancerArn: loadBalancerArnOf(arn), port: EXISTING_LISTENER_PORT };
}

/** Returns the load balancer of an existing listener, without its VPC, scheme and idle timeout, which the program compares. */
export function existingLoadBalancer(arn: string): Record<string, unknown> {
  const { region = "", suffix = "", name = "", id = "" } = LOAD_BALANCER_ARN.exec(arn)?.groups ?? {};
  const digits = createHash("sha256").update(arn).digest("hex").slice(0, HEX_ID);
  return {
    arn,
    name,
    arnSuffix: suffix,
    dnsName: `${name}-${id}.${region}.elb.amazonaws.com`,
    zoneId: `Z${digits.toUpperCase()}`,
    subnets: [],
    securityGroups: [`sg-${digits}`],
  };
}
