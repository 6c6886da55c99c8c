/** The argument `image`: another server than ours. */
import type * as pulumi from "@pulumi/pulumi";

/** Another server than ours: its image, and what the service depends on. Either `uri` or `build` is required. */
export interface ServerImageArgs {
  /** Image in a registry, such as `nginx:1` or the URI of a private ECR repository, of this account or another one. */
  readonly uri?: pulumi.Input<string>;
  /** Files from which the image is built, and pushed to a repository of the service. */
  readonly build?: ImageBuildArgs;
  /** Command that replaces the one of the image, such as `["node", "server.js"]`. @default the one of the image */
  readonly command?: readonly string[];
  /** Port on which the server listens; the variable PORT contains it (1 to 65535). @default 8080 */
  readonly port?: number;
  /** Path of the WebSocket endpoint, for the output `websocketUrl`. @default "/" */
  readonly path?: string;
  /** Path that a healthy server answers with status 200. @default "/" */
  readonly healthPath?: string;
  /** Command in the container that exits with 0 if the server is healthy. @default none: only the load balancer checks the health */
  readonly healthCommand?: readonly string[];
  /** Time for which a cookie sends a client to the same task (seconds, 1 to 604800). @default no cookie */
  readonly stickinessSeconds?: number;
  /** Variables besides PORT and, if `backplane` is valkey, VALKEY_URL, VALKEY_CLUSTER and VALKEY_PASSWORD. @default {} */
  readonly environment?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Variables with secrets: for each the ARN of an SSM parameter, or of a secret in Secrets Manager. @default {} */
  readonly secrets?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Architecture of the image. @default "ARM64" */
  readonly cpuArchitecture?: "ARM64" | "X86_64";
}

/** Files from which Docker builds an image. */
export interface ImageBuildArgs {
  /** Folder of the build context; a relative path is relative to the folder of Pulumi.yaml. Its .dockerignore applies. */
  readonly context: string;
  /** Path of the Dockerfile in that folder. @default "Dockerfile" */
  readonly dockerfile?: string;
  /** Stage of the Dockerfile. @default the last one */
  readonly target?: string;
  /** Build arguments. They are no secrets: everyone who can pull the image can read them. @default {} */
  readonly args?: Readonly<Record<string, string>>;
}

/** The arguments that have a default. */
type Optional = "port" | "path" | "healthPath" | "environment" | "secrets" | "cpuArchitecture";

/** The argument with its defaults. */
export interface ServerImage
  extends Omit<ServerImageArgs, "uri" | "build" | Optional>, Required<Pick<ServerImageArgs, Optional>> {
  readonly source:
    | { readonly uri: pulumi.Input<string> }
    | { readonly build: ImageBuildArgs & Required<Pick<ImageBuildArgs, "dockerfile" | "args">> };
}

/** Adds the defaults to legal arguments. */
export function completeServerImage(args: ServerImageArgs): ServerImage {
  const { uri, build, ...others } = args;
  return {
    ...others,
    source:
      build === undefined ? { uri: uri ?? "" } : { build: { dockerfile: "Dockerfile", args: {}, ...build } },
    port: args.port ?? 8080,
    path: args.path ?? "/",
    healthPath: args.healthPath ?? "/",
    environment: args.environment ?? {},
    secrets: args.secrets ?? {},
    cpuArchitecture: args.cpuArchitecture ?? "ARM64",
  };
}
