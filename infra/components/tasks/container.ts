import type * as pulumi from "@pulumi/pulumi";

/** The architecture of the tasks. ARM64 costs less. */
export type CpuArchitecture = "ARM64" | "X86_64";

/** An image and the permission that it needs. */
export interface ContainerImage {
  readonly uri: pulumi.Input<string>;
  /** ARN of its private ECR repository, which a preview has before the URI. @default derived from the URI */
  readonly repositoryArn?: pulumi.Input<string>;
}

/** The container of a task that clients connect to, whatever its server is. */
export interface Container {
  readonly image: ContainerImage;
  readonly cpuArchitecture: CpuArchitecture;
  /** Command that replaces the one of the image. @default the one of the image */
  readonly command?: readonly string[];
  /** Port on which the server listens. */
  readonly port: number;
  /** Variables in a stable order: another order would replace the task definition. */
  readonly environment: readonly { readonly name: string; readonly value: pulumi.Input<string> }[];
  /** Variables with secrets; `valueFrom` is the ARN of an SSM parameter or of a secret. */
  readonly secrets: readonly { readonly name: string; readonly valueFrom: pulumi.Input<string> }[];
  /** ARNs of secrets that tasks of the previous deployment use: ECS can still start one of them. */
  readonly previousSecretArns: readonly pulumi.Input<string>[];
  /** Command that exits with 0 if the server is healthy. @default none: only the load balancer checks the health */
  readonly healthCommand?: readonly string[];
}
