import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { after } from "./after.ts";

export interface DomainArgs {
  readonly domain: string;
  /** Route 53 zone of that name. */
  readonly zoneId: string;
  /** What it leads to: a distribution's or a load balancer's own name, and the zone that AWS keeps that in. */
  readonly target: { readonly domainName: pulumi.Input<string>; readonly zoneId: pulumi.Input<string> };
}

/** An own name for what AWS named: alias records, for IPv4 and IPv6. What has no IPv6 is not found by it, and costs nothing. */
export class Domain extends pulumi.ComponentResource {
  /** The name, when it leads there. */
  readonly domain: pulumi.Output<string>;

  constructor(name: string, args: DomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Domain", name, {}, opts);

    const { domainName, zoneId } = args.target;
    const ownZone = zoneOf(args, { parent: this });
    const records = (["A", "AAAA"] as const).map(
      (type) =>
        new aws.route53.Record(
          `${name}-${type}`,
          {
            zoneId: ownZone,
            name: args.domain,
            type,
            // Route 53 knows no health of a distribution; of one load balancer there is nothing to choose from.
            aliases: [{ name: domainName, zoneId, evaluateTargetHealth: false }],
          },
          { parent: this },
        ),
    );

    this.domain = after(records, args.domain);
    this.registerOutputs({ domain: this.domain });
  }
}

/**
 * The zone's id, when the name is in it: Route 53 takes a record of any name for any zone, as one below that zone.
 * @throws {pulumi.RunError} where it is another zone's.
 */
export function zoneOf(
  { domain, zoneId }: Pick<DomainArgs, "domain" | "zoneId">,
  opts: pulumi.InvokeOptions,
): pulumi.Output<string> {
  return aws.route53.getZoneOutput({ zoneId }, opts).apply(({ name }) => {
    const zone = name.replace(/\.$/, "");
    if (zone === "" || domain === zone || domain.endsWith(`.${zone}`)) return zoneId;
    throw new pulumi.RunError(
      `hostedZoneId ${zoneId} is the zone ${zone}, and ${domain} is not in it: give the zone of that name, or a ` +
        "certificate of your own, and no hostedZoneId.",
    );
  });
}
