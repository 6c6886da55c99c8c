import type { Rule } from "../rule.ts";
import { listAt, valueAt } from "../values.ts";

/**
 * Security policies with TLS 1.2 or later.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
 */
const UP_TO_DATE = /^ELBSecurityPolicy-(TLS13-1-[23]|TLS-1-2|FS-1-2)-/;

/** Rules of this project. AwsSolutions has no rule for these types. */
export const certificateRules: readonly Rule[] = [
  {
    id: "LISTENERS",
    level: "mandatory",
    what: "HTTPS listeners require TLS 1.2 or later, and HTTP listeners do not forward by default.",
    why: "The default security policy allows TLS 1.0, and HTTP requests are not encrypted.",
    fix: "Set `sslPolicy`, such as ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09. Redirect or refuse HTTP requests.",
    types: ["aws:lb/listener:Listener"],
    scope: "resource",
    *check({ properties }) {
      const policy = valueAt(properties, "sslPolicy");
      if (valueAt(properties, "protocol") !== "HTTPS") {
        const types = listAt(properties, "defaultActions").map((action) => valueAt(action, "type"));
        if (types.includes("forward")) yield "it forwards requests without TLS";
      } else if (typeof policy !== "string") yield "it has no security policy, so it accepts TLS 1.0";
      else if (!UP_TO_DATE.test(policy)) yield `its security policy is ${policy}`;
    },
  },
  {
    id: "CERTIFICATES",
    level: "mandatory",
    what: "ACM renews certificates automatically.",
    why: "An expired certificate stops the service.",
    fix: "Set `validationMethod` to DNS and keep the record. ACM does not renew imported certificates, and EMAIL needs an approval.",
    types: ["aws:acm/certificate:Certificate"],
    scope: "resource",
    *check({ properties }) {
      if (valueAt(properties, "privateKey") !== undefined) yield "it is imported";
      else if (valueAt(properties, "validationMethod") !== "DNS") yield "it is not validated by DNS";
    },
  },
];
