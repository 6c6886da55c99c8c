/** The server in the tasks: ours, or another one. */
import * as dockerBuild from "@pulumi/docker-build";
import type * as pulumi from "@pulumi/pulumi";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import { PATHS } from "../../app/src/settings/contract.ts";
import { ApiKeys } from "../components/tasks/apiKeys.ts";
import type { BackplaneAccess } from "../components/tasks/backplaneAccess.ts";
import type { Container, ContainerImage } from "../components/tasks/container.ts";
import { Image, planBuild, SERVER_DOCKERFILE } from "../components/tasks/image.ts";
import type { ImageBuild } from "../components/tasks/image.ts";
import { describeOwnContainer } from "../components/tasks/ownContainer.ts";
import { describeServerContainer } from "../components/tasks/serverContainer.ts";
import type { ServiceConfig } from "../config/serviceConfig.ts";
import type { Scope } from "./scope.ts";

/** What the path from clients to the server depends on. */
export interface ServerRoute {
  readonly port: number;
  /** Path of the WebSocket endpoint, without a slash at the end. */
  readonly path: string;
  readonly healthPath: string;
  readonly stickinessSeconds: number | undefined;
  /** Page that CloudFront requests for the path `/`. */
  readonly rootPage: string | undefined;
}

/** Returns the ports and paths of the server. */
export function describeRoute({ image, settings }: Pick<ServiceConfig, "image" | "settings">): ServerRoute {
  if (image === undefined) {
    return {
      port: settings.port,
      path: PATHS.websocket,
      healthPath: PATHS.root,
      stickinessSeconds: undefined,
      rootPage: PATHS.console.slice(1),
    };
  }
  const { port, path, healthPath, stickinessSeconds } = image;
  return { port, path: path === "/" ? "" : path, healthPath, stickinessSeconds, rootPage: undefined };
}

/** Where the image of the server comes from. */
export type ImagePlan = { readonly build: ImageBuild } | { readonly uri: pulumi.Input<string> };

/** Reads the files from which the image is built, if it is not in a registry. */
export function planImage({ image }: Pick<ServiceConfig, "image">): ImagePlan {
  if (image === undefined) {
    return { build: planBuild({ context: OWN_FOLDER, dockerfile: SERVER_DOCKERFILE }, "ARM64") };
  }
  const { source, cpuArchitecture } = image;
  return "build" in source ? { build: planBuild(source.build, cpuArchitecture) } : source;
}

/** Declares the image that is built, or returns the one in a registry. */
export function declareImage({ name, config, transform, child }: Scope, plan: ImagePlan): ContainerImage {
  if ("uri" in plan) return plan;
  // By default, awsx uses the plugin version that it was built with. If a refresh meets an expired ECR token, that version drops
  // the image from the state, and the next update pushes it to its immutable tag (pulumi/pulumi-docker-build#930). The provider
  // has no parent, because `pulumi import` creates providers before components.
  const builder = new dockerBuild.Provider(`${name}-docker-build`);
  return new Image(
    `${name}-service`,
    {
      build: plan.build,
      repositoryName: config.existing.repositoryName,
      retain: config.retainData,
      transform,
    },
    { ...child, providers: [builder] },
  );
}

/** Declares the API keys, which only our server has. */
export function declareApiKeys({ name, config, child }: Scope): ApiKeys | undefined {
  if (config.image !== undefined) return undefined;
  return new ApiKeys(`${name}-api-key`, { generation: config.apiKeyGeneration }, child);
}

/** Describes the container of the server. */
export function describeContainer(
  { image, settings, tokenInputs }: Pick<ServiceConfig, "image" | "settings" | "tokenInputs">,
  containerImage: ContainerImage,
  apiKeys: ApiKeys | undefined,
  backplane: BackplaneAccess | undefined,
): Container {
  return image === undefined
    ? describeServerContainer(containerImage, settings, tokenInputs, apiKeys?.parameterArns, backplane)
    : describeOwnContainer(containerImage, image, backplane);
}
