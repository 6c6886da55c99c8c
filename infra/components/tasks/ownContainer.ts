/** The container of another server than ours: the variables that it gets. */
import type * as pulumi from "@pulumi/pulumi";
import { OWN_VARIABLES } from "../../config/ownServer/checkServerImage.ts";
import type { BackplaneAccess } from "./backplaneAccess.ts";
import type { Container, ContainerImage } from "./container.ts";

export interface OwnContainerArgs extends Pick<
  Container,
  "cpuArchitecture" | "command" | "port" | "healthCommand"
> {
  /** Variables. */
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Variables with secrets: ARNs of SSM parameters and of secrets. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Describes the container of another server, with its port and the connection to the backplane in its environment. */
export function describeOwnContainer(
  image: ContainerImage,
  { environment, secrets, ...args }: OwnContainerArgs,
  backplane: BackplaneAccess | undefined,
): Container {
  const [passwordArn, ...previousSecretArns] = backplane?.passwordArns ?? [];
  const variables: Record<string, pulumi.Input<string>> = {
    [OWN_VARIABLES.port]: String(args.port),
    ...(backplane !== undefined && {
      [OWN_VARIABLES.valkeyUrl]: backplane.url,
      // The clients of most languages need another constructor for a cluster.
      [OWN_VARIABLES.valkeyCluster]: "true",
    }),
    ...environment,
  };
  const allSecrets = {
    ...(passwordArn !== undefined && { [OWN_VARIABLES.valkeyPassword]: passwordArn }),
    ...secrets,
  };
  return {
    ...args,
    image,
    environment: Object.entries(variables).map(([name, value]) => ({ name, value })),
    secrets: Object.entries(allSecrets).map(([name, valueFrom]) => ({ name, valueFrom })),
    previousSecretArns,
  };
}
