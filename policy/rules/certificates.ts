import type { Rule } from "../rule.ts";
import { listAt, valueAt } from "../values.ts";

/** Security policies of TLS 1.2 or newer (Elastic Load Balancing, "Security policies for your Application Load Balancer"). */
const UP_TO_DATE = /^ELBSecurityPolicy-(TLS13-1-[23]|TLS-1-2|FS-1-2)-/;

/** The project's own: AwsSolutions has none for these. */
export const certificateRules: readonly Rule[] = [
  {
    id: "LISTENERS",
    level: "mandatory",
    what: "Listeners of a load balancer speak TLS 1.2 or newer, and one without TLS lets nobody through by default.",
    why: "Without a policy AWS takes one of 2016, with TLS 1.0; and what comes by HTTP was read on its way.",
    fix: "Set `sslPolicy`, such as ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09; redirect or refuse at the HTTP listener.",
    types: ["aws:lb/listener:Listener"],
    scope: "resource",
    *faults({ properties }) {
      const policy = valueAt(properties, "sslPolicy");
      if (valueAt(properties, "protocol") !== "HTTPS") {
        const types = listAt(properties, "defaultActions").map((action) => valueAt(action, "type"));
        if (types.includes("forward")) yield "it forwards what comes without TLS";
      } else if (typeof policy !== "string") yield "it has no security policy, and takes TLS 1.0";
      else if (!UP_TO_DATE.test(policy)) yield `its security policy is ${policy}`;
    },
  },
  {
    id: "CERTIFICATES",
    level: "mandatory",
    what: "Certificates renew themselves.",
    why: "One that nobody renews ends the service on a day that nobody has in mind.",
    fix: "Set `validationMethod` to DNS, and keep its record; ACM renews no imported certificate, and by EMAIL only if asked.",
    types: ["aws:acm/certificate:Certificate"],
    scope: "resource",
    *faults({ properties }) {
      if (valueAt(properties, "privateKey") !== undefined) yield "it is imported";
      else if (valueAt(properties, "validationMethod") !== "DNS") yield "it is not validated by DNS";
    },
  },
];
