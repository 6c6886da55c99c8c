import type { Rule } from "../rule.ts";
import { jsonAt, listAt, textsAt, valueAt } from "../values.ts";

const ROLE = "aws:iam/role:Role";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";
const POLICY = "aws:iam/policy:Policy";

/** ARNs of AWS managed policies, in all partitions. */
const AWS_MANAGED_POLICY = /^arn:aws[\w-]*:iam::aws:policy\//;

/** The resources that a wildcard in an ARN covers. */
const WILDCARDS: readonly (readonly [RegExp, string])[] = [
  [/^\*$/, "every resource"],
  // Such as the log streams of a log group.
  [/^[^*]*:\*$/, "everything in one resource"],
];

export const accessRules: readonly Rule[] = [
  {
    id: "IAM4",
    level: "mandatory",
    what: "Roles have no AWS managed policies.",
    why: "They allow more than one service needs, on all resources of the account, and AWS changes them.",
    fix: "Write a policy with the actions and resources that the role needs.",
    types: [
      ROLE,
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
      "aws:iam/policyAttachment:PolicyAttachment",
    ],
    scope: "resource",
    *check({ properties }) {
      for (const arn of [...textsAt(properties, "managedPolicyArns"), ...textsAt(properties, "policyArn")]) {
        if (AWS_MANAGED_POLICY.test(arn))
          yield `it has the managed policy ${arn.replace(AWS_MANAGED_POLICY, "")}`;
      }
    },
  },
  {
    id: "IAM5",
    level: "mandatory",
    what: "Policies name the allowed actions and resources.",
    why: "A wildcard allows more than the role needs, and also what AWS adds later.",
    fix: "Name them. If an action supports no resource, suppress that finding with this reason.",
    types: [ROLE, ROLE_POLICY, POLICY],
    scope: "resource",
    *check({ properties }) {
      const policies = [properties, ...listAt(properties, "inlinePolicies")];
      const statements = policies.flatMap((policy) => listAt(jsonAt(policy, "policy"), "Statement"));
      for (const statement of statements) {
        if (valueAt(statement, "Effect") !== "Allow") continue;
        const wildcards = new Set(
          textsAt(statement, "Resource")
            .filter((resource) => resource.includes("*"))
            // ARNs differ between stacks, so the fault does not contain them.
            .map(
              (resource) =>
                WILDCARDS.find(([pattern]) => pattern.test(resource))?.[1] ?? "resources with a wildcard",
            ),
        );
        const actions = textsAt(statement, "Action");
        const excepted = textsAt(statement, "NotAction");
        if (excepted.length > 0) yield `every action except ${excepted.join(", ")} is allowed`;
        if (valueAt(statement, "NotResource") !== undefined)
          yield `${[...actions, ...excepted].join(", ")} on all resources except some`;
        for (const action of actions) {
          if (action.includes("*")) yield `${action} is a wildcard`;
          for (const resources of wildcards) yield `${action} on ${resources}`;
        }
      }
    },
  },
];
