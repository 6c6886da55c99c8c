import { findReferences } from "../rule.ts";
import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";

/** Protocols before TLS 1.2, as in `originSslProtocols`. */
const OUTDATED = ["SSLv3", "TLSv1", "TLSv1.1"];
const UP_TO_DATE = /^TLSv1\.[2-9]/;

export const edgeRules: readonly Rule[] = [
  {
    id: "CFR1",
    level: "advisory",
    what: "Distributions serve only the intended countries.",
    why: "A service may not be permitted in a country, or has only attackers there.",
    fix: "Set `restrictions.geoRestriction` to an allow list or a block list.",
    types: [DISTRIBUTION],
    scope: "resource",
    *check({ properties }) {
      const kind = valueAt(properties, "restrictions.geoRestriction.restrictionType");
      if (kind === undefined || kind === "none") yield "every country is served";
    },
  },
  {
    id: "CFR2",
    level: "advisory",
    what: "Distributions have a web application firewall.",
    why: "It blocks known attacks and floods of requests before the origin.",
    fix: "Set `webAclId` to the ARN of a WAFv2 web ACL in us-east-1.",
    types: [DISTRIBUTION],
    scope: "resource",
    *check({ properties }) {
      // The property exists before its value is known.
      const acl = properties["webAclId"];
      if (acl === undefined || acl === null || acl === "") yield "there is no web ACL";
    },
  },
  {
    id: "CFR3",
    level: "mandatory",
    what: "Distributions keep access logs.",
    why: "They show which client requested what, including requests that the load balancer refused.",
    fix: "Deliver the distribution's ACCESS_LOGS (LogDeliverySource, LogDelivery), or set `loggingConfig`.",
    types: [DISTRIBUTION],
    scope: "stack",
    *check(distribution, stack) {
      if (valueAt(distribution.properties, "loggingConfig.bucket") !== undefined) return;
      const delivered = findReferences(
        distribution,
        stack,
        "aws:cloudwatch/logDeliverySource:LogDeliverySource",
        "resourceArn",
      )
        .filter(({ properties }) => valueAt(properties, "logType") === "ACCESS_LOGS")
        .flatMap((source) =>
          findReferences(source, stack, "aws:cloudwatch/logDelivery:LogDelivery", "deliverySourceName"),
        );
      if (delivered.length === 0) yield "its access logs are not delivered";
    },
  },
  {
    id: "CFR4",
    level: "mandatory",
    what: "Viewers connect to a distribution only with TLS 1.2 or later.",
    why: "Earlier versions have known weaknesses, and connections without TLS are readable.",
    fix: "Use your own certificate with `minimumProtocolVersion` TLSv1.2_2021, and `viewerProtocolPolicy` https-only.",
    types: [DISTRIBUTION],
    scope: "resource",
    *check({ properties }) {
      const behaviors = [
        ...listAt(properties, "defaultCacheBehavior"),
        ...listAt(properties, "orderedCacheBehaviors"),
      ];
      for (const behavior of behaviors) {
        if (valueAt(behavior, "viewerProtocolPolicy") === "allow-all") {
          yield `viewers can connect without TLS at ${textAt(behavior, "pathPattern") ?? "every path"}`;
        }
      }
      // With the default certificate of CloudFront the minimum version has no effect:
      // https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_ViewerCertificate.html
      const ownCertificate = valueAt(properties, "viewerCertificate.cloudfrontDefaultCertificate") !== true;
      const minimum = textAt(properties, "viewerCertificate.minimumProtocolVersion") ?? "TLSv1";
      if (!ownCertificate) yield "viewers can use TLS 1.0 with the default certificate of CloudFront";
      else if (!UP_TO_DATE.test(minimum)) yield `viewers can use ${minimum}`;
    },
  },
  {
    id: "CFR5",
    level: "mandatory",
    what: "CloudFront connects to origins only with TLS 1.2 or later.",
    why: "The connection can cross networks of third parties.",
    fix: "Set `originProtocolPolicy` to https-only and `originSslProtocols` to TLSv1.2.",
    types: [DISTRIBUTION, VPC_ORIGIN],
    scope: "resource",
    *check({ type, properties }) {
      if (type === VPC_ORIGIN) {
        const policy = String(valueAt(properties, "vpcOriginEndpointConfig.originProtocolPolicy"));
        if (policy !== "https-only") yield `CloudFront connects with ${policy}`;
        for (const protocol of textsAt(properties, "vpcOriginEndpointConfig.originSslProtocols.items")) {
          if (OUTDATED.includes(protocol)) yield `CloudFront can connect with ${protocol}`;
        }
        return;
      }
      for (const origin of listAt(properties, "origins")) {
        const config = valueAt(origin, "customOriginConfig");
        if (config === undefined) continue;
        const id = textAt(origin, "originId") ?? "without an id";
        const policy = textAt(config, "originProtocolPolicy") ?? "match-viewer";
        if (policy !== "https-only") yield `CloudFront connects to origin ${id} with ${policy}`;
        for (const protocol of textsAt(config, "originSslProtocols")) {
          if (OUTDATED.includes(protocol)) yield `CloudFront can connect to origin ${id} with ${protocol}`;
        }
      }
    },
  },
];
