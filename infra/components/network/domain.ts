import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { requireResult } from "../requireResult.ts";
import { waitFor } from "../waitFor.ts";

export interface DomainArgs {
  /** The custom domain name. */
  readonly domain: string;
  /** ID of the Route 53 hosted zone of the domain. */
  readonly zoneId: pulumi.Input<string>;
  /** Alias target: domain name and hosted zone ID of a distribution or a load balancer. */
  readonly target: { readonly domainName: pulumi.Input<string>; readonly zoneId: pulumi.Input<string> };
}

/**
 * A custom domain for a distribution or a load balancer: alias records of type A and AAAA. If the target has no IPv6 address,
 * the AAAA record returns no answer.
 * @see https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-choosing-alias-non-alias.html
 */
export class Domain extends pulumi.ComponentResource {
  /** The domain name, available after the records exist. */
  readonly domain: pulumi.Output<string>;

  constructor(name: string, args: DomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Domain", name, {}, opts);

    const { domainName, zoneId } = args.target;
    const verifiedZoneId = verifyZoneId(args, { parent: this });
    const records = (["A", "AAAA"] as const).map(
      (type) =>
        new aws.route53.Record(
          `${name}-${type}`,
          {
            zoneId: verifiedZoneId,
            name: args.domain,
            type,
            // Route 53 cannot evaluate a distribution. For a single load balancer there is no alternative target.
            aliases: [{ name: domainName, zoneId, evaluateTargetHealth: false }],
          },
          { parent: this },
        ),
    );

    this.domain = waitFor(records, args.domain);
    this.registerOutputs({ domain: this.domain });
  }
}

/**
 * Returns the zone ID if the domain belongs to the zone. Route 53 itself accepts any name and appends the name of the zone.
 * @throws {pulumi.RunError} if the domain does not belong to the zone.
 */
export function verifyZoneId(
  { domain, zoneId }: Pick<DomainArgs, "domain" | "zoneId">,
  opts: pulumi.InvokeOptions,
): pulumi.Output<string> {
  const zoneName = aws.route53
    .getZoneOutput({ zoneId }, opts)
    .apply(({ name }) => requireResult<string>(name, "Route 53 returned a zone without a name."));
  return pulumi.all([zoneId, zoneName]).apply(([id, name]) => {
    const zone = name.replace(/\.$/, "");
    if (zone === "" || domain === zone || domain.endsWith(`.${zone}`)) return id;
    throw new pulumi.RunError(
      `\`hostedZoneId\`: got ${id}, which is the zone ${zone}; expected the zone of ${domain}. ` +
        "Fix: set the ID of that zone, or remove hostedZoneId and set the ARN of your own certificate.",
    );
  });
}
