import { referringTo } from "../rule.ts";
import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";

/** Protocols older than TLS 1.2, as the property `originSslProtocols` names them. */
const OUTDATED = ["SSLv3", "TLSv1", "TLSv1.1"];
const UP_TO_DATE = /^TLSv1\.[2-9]/;

export const edgeRules: readonly Rule[] = [
  {
    id: "CFR1",
    level: "advisory",
    what: "Distributions serve the countries that they are meant for.",
    why: "Some services may not be offered everywhere, or have no users there but attackers.",
    fix: "Set `restrictions.geoRestriction` to an allow list or a block list.",
    types: [DISTRIBUTION],
    scope: "resource",
    *faults({ properties }) {
      const kind = valueAt(properties, "restrictions.geoRestriction.restrictionType");
      if (kind === undefined || kind === "none") yield "every country is served";
    },
  },
  {
    id: "CFR2",
    level: "advisory",
    what: "Distributions have a web application firewall.",
    why: "It keeps known attacks and floods of requests away from the origin.",
    fix: "Set `webAclId` to the ARN of a WAFv2 web ACL in us-east-1.",
    types: [DISTRIBUTION],
    scope: "resource",
    *faults({ properties }) {
      // The ACL may be made in the same update: its ARN need not be known.
      const acl = properties["webAclId"];
      if (acl === undefined || acl === null || acl === "") yield "there is no web ACL";
    },
  },
  {
    id: "CFR3",
    level: "mandatory",
    what: "Distributions keep access logs.",
    why: "They say who asked for what, before and after the load balancer refused it.",
    fix: "Deliver the distribution's ACCESS_LOGS (LogDeliverySource, LogDelivery), or set `loggingConfig`.",
    types: [DISTRIBUTION],
    scope: "stack",
    *faults(distribution, stack) {
      if (valueAt(distribution.properties, "loggingConfig.bucket") !== undefined) return;
      const delivered = referringTo(
        distribution,
        stack,
        "aws:cloudwatch/logDeliverySource:LogDeliverySource",
        "resourceArn",
      )
        .filter(({ properties }) => valueAt(properties, "logType") === "ACCESS_LOGS")
        .flatMap((source) =>
          referringTo(source, stack, "aws:cloudwatch/logDelivery:LogDelivery", "deliverySourceName"),
        );
      if (delivered.length === 0) yield "its access logs are delivered nowhere";
    },
  },
  {
    id: "CFR4",
    level: "mandatory",
    what: "Viewers reach a distribution by TLS 1.2 or newer, and by nothing else.",
    why: "Older versions are broken, and without TLS everyone on the way reads along.",
    fix: "Use an own certificate with `minimumProtocolVersion` TLSv1.2_2021, and `viewerProtocolPolicy` https-only.",
    types: [DISTRIBUTION],
    scope: "resource",
    *faults({ properties }) {
      const behaviors = [
        ...listAt(properties, "defaultCacheBehavior"),
        ...listAt(properties, "orderedCacheBehaviors"),
      ];
      for (const behavior of behaviors) {
        if (valueAt(behavior, "viewerProtocolPolicy") === "allow-all") {
          yield `viewers may do without TLS at ${textAt(behavior, "pathPattern") ?? "every path"}`;
        }
      }
      // With CloudFront's own certificate the minimum has no effect (CloudFront API Reference, ViewerCertificate).
      const ownCertificate = valueAt(properties, "viewerCertificate.cloudfrontDefaultCertificate") !== true;
      const minimum = textAt(properties, "viewerCertificate.minimumProtocolVersion") ?? "TLSv1";
      if (!ownCertificate) yield "viewers may use TLS 1.0, as CloudFront's own certificate lets them";
      else if (!UP_TO_DATE.test(minimum)) yield `viewers may use ${minimum}`;
    },
  },
  {
    id: "CFR5",
    level: "mandatory",
    what: "A distribution reaches its origins by TLS 1.2 or newer, and by nothing else.",
    why: "What CloudFront and the origin say to each other may cross networks of others.",
    fix: "Set `originProtocolPolicy` to https-only and `originSslProtocols` to TLSv1.2.",
    types: [DISTRIBUTION, VPC_ORIGIN],
    scope: "resource",
    *faults({ type, properties }) {
      if (type === VPC_ORIGIN) {
        const policy = String(valueAt(properties, "vpcOriginEndpointConfig.originProtocolPolicy"));
        if (policy !== "https-only") yield `it is reached by ${policy}`;
        for (const protocol of textsAt(properties, "vpcOriginEndpointConfig.originSslProtocols.items")) {
          if (OUTDATED.includes(protocol)) yield `it may be reached by ${protocol}`;
        }
        return;
      }
      for (const origin of listAt(properties, "origins")) {
        const config = valueAt(origin, "customOriginConfig");
        if (config === undefined) continue;
        const id = textAt(origin, "originId") ?? "without an id";
        const policy = textAt(config, "originProtocolPolicy") ?? "match-viewer";
        if (policy !== "https-only") yield `origin ${id} is reached by ${policy}`;
        for (const protocol of textsAt(config, "originSslProtocols")) {
          if (OUTDATED.includes(protocol)) yield `origin ${id} may be reached by ${protocol}`;
        }
      }
    },
  },
];
