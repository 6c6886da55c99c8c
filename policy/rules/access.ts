import type { Rule } from "../rule.ts";
import { jsonAt, listAt, textsAt, valueAt } from "../values.ts";

const ROLE = "aws:iam/role:Role";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";
const POLICY = "aws:iam/policy:Policy";

/** ARNs of the policies that AWS wrote, in whichever partition. */
const MANAGED_BY_AWS = /^arn:aws[\w-]*:iam::aws:policy\//;

/** What a wildcard in an ARN leaves open. */
const WILDCARDS: readonly (readonly [RegExp, string])[] = [
  [/^\*$/, "every resource"],
  // As that of a log group for its streams.
  [/^[^*]*:\*$/, "all that one resource holds"],
];

export const accessRules: readonly Rule[] = [
  {
    id: "IAM4",
    level: "mandatory",
    what: "Roles do without the policies that AWS manages.",
    why: "Those permit far more than one service needs, on everything in the account, and AWS changes them.",
    fix: "Write a policy of the actions and resources that the role needs.",
    types: [
      ROLE,
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
      "aws:iam/policyAttachment:PolicyAttachment",
    ],
    scope: "resource",
    *faults({ properties }) {
      for (const arn of [...textsAt(properties, "managedPolicyArns"), ...textsAt(properties, "policyArn")]) {
        if (MANAGED_BY_AWS.test(arn)) yield `it has ${arn.replace(MANAGED_BY_AWS, "")}`;
      }
    },
  },
  {
    id: "IAM5",
    level: "mandatory",
    what: "Policies name the actions and the resources that they allow.",
    why: "A wildcard allows what nobody thought of, and what AWS adds later.",
    fix: "Name them; where an action knows no resource, suppress that one finding and say so.",
    types: [ROLE, ROLE_POLICY, POLICY],
    scope: "resource",
    *faults({ properties }) {
      const policies = [properties, ...listAt(properties, "inlinePolicies")];
      const statements = policies.flatMap((policy) => listAt(jsonAt(policy, "policy"), "Statement"));
      for (const statement of statements) {
        if (valueAt(statement, "Effect") !== "Allow") continue;
        const wildcards = new Set(
          textsAt(statement, "Resource")
            .filter((resource) => resource.includes("*"))
            // An ARN is another one in every stack.
            .map(
              (resource) =>
                WILDCARDS.find(([pattern]) => pattern.test(resource))?.[1] ?? "resources by a wildcard",
            ),
        );
        const actions = textsAt(statement, "Action");
        const excepted = textsAt(statement, "NotAction");
        if (excepted.length > 0) yield `everything but ${excepted.join(", ")} is a wildcard`;
        if (valueAt(statement, "NotResource") !== undefined)
          yield `${[...actions, ...excepted].join(", ")} on everything but some resources`;
        for (const action of actions) {
          if (action.includes("*")) yield `${action} is a wildcard`;
          for (const resources of wildcards) yield `${action} on ${resources}`;
        }
      }
    },
  },
];
