import { quoteValue } from "../../../app/src/settings/definition.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";

/** With Pulumi's eight characters and the longest suffix, the ID of a Valkey user has 40 characters, which is the maximum. */
const MAX_LENGTH = 20;

/** ElastiCache refuses two hyphens in a row, and a hyphen at the end. */
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/**
 * The beginnings of names that AWS refuses: of SSM parameters, load balancers and security groups.
 * @see https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
 * @see https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
 */
const RESERVED = ["aws", "ssm", "internal-", "sg-"] as const;

/**
 * Ends that the name of a load balancer can have after the name of its service. A resource is identified by its name, its type and
 * the types of its parents: the load balancer of a service `chat-vpc` would be the one of a service `chat` in the same stack.
 * @see https://www.pulumi.com/docs/iac/concepts/resources/names/#urns
 */
const LOAD_BALANCER_END = /-(?:vpc|open|tls-[0-9a-f]{6})$/;

/** Returns a problem if the physical names that begin with the name of a service would be illegal, or its resources those of another service. */
export function checkName(name: string): readonly Problem[] {
  const isReserved = RESERVED.some((start) => `${name}-`.startsWith(start));
  if (LOAD_BALANCER_END.test(name)) {
    const expected =
      "a name without -vpc, -open, or -tls- and six hexadecimal digits at its end, which the load balancer of another service can have";
    return [{ key: "name", got: quoteValue(name), expected, fix: [] }];
  }
  if (name.length <= MAX_LENGTH && NAME.test(name) && !isReserved) return [];
  return [
    {
      key: "name",
      got: quoteValue(name),
      expected:
        `1 to ${MAX_LENGTH} lowercase letters, digits and single hyphens that begin with a letter, and not with ` +
        RESERVED.join(", "),
      fix: [],
    },
  ];
}
