/** Containers beside the server in each task, such as a collector of traces or a log router. */
import type * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import { findRepositoryArn } from "./imageUri.ts";
import type { TaskSources } from "./taskRoles.ts";

/** A container definition of ECS; its name is the key under which it is declared. */
export type Sidecar = Omit<awsx.types.input.ecs.TaskDefinitionContainerDefinitionArgs, "name">;

export type Sidecars = Readonly<Record<string, Sidecar>>;

type ContainerDefinition = awsx.types.input.ecs.TaskDefinitionContainerDefinitionArgs;

/**
 * Returns the definitions with their defaults: a task runs on without a sidecar that ends, and its log goes to the log group of the
 * service.
 */
export function completeSidecars(
  sidecars: Sidecars,
  logTo: (name: string) => NonNullable<ContainerDefinition["logConfiguration"]>,
): Record<string, ContainerDefinition> {
  const entries = Object.entries(sidecars).map(([name, sidecar]) => [
    name,
    { essential: false, logConfiguration: logTo(name), ...sidecar, name },
  ]);
  return Object.fromEntries(entries) as Record<string, ContainerDefinition>;
}

/** Repositories and secrets from which ECS reads when it starts the sidecars. */
export function findSidecarSources(
  sidecars: Sidecars,
): pulumi.Output<Pick<TaskSources, "repositoryArns" | "secretArns">> {
  const sources = Object.values(sidecars).map(
    ({ image, secrets, logConfiguration, repositoryCredentials }) => ({
      image,
      secrets,
      logConfiguration,
      repositoryCredentials,
    }),
  );
  return pulumi.output(sources).apply((all) => ({
    repositoryArns: all.flatMap(({ image }) => findRepositoryArn(image) ?? []),
    secretArns: all.flatMap(({ secrets = [], logConfiguration, repositoryCredentials }) =>
      [
        ...secrets.map(({ valueFrom }) => valueFrom),
        ...(logConfiguration?.secretOptions ?? []).map(({ valueFrom }) => valueFrom),
        repositoryCredentials?.credentialsParameter,
      ].filter((arn) => arn !== undefined),
    ),
  }));
}
