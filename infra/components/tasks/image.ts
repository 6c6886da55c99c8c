import path from "node:path";
import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { hashBuildContext } from "./buildContext.ts";
import type { CpuArchitecture } from "./container.ts";

const PLATFORMS = { ARM64: "linux/arm64", X86_64: "linux/amd64" } as const;

/** The Dockerfile of our server. */
export const SERVER_DOCKERFILE = "app/Dockerfile";

/** Length of the random part of a tag. It distinguishes two deployments of the same content. */
const CHANGE_BYTES = 3;

/** Images that the lifecycle policy keeps for running tasks and rollbacks. */
const MAX_IMAGES = 20;

export interface ImageArgs {
  /** The build; see {@link planBuild}. */
  readonly build: ImageBuild;
  /** Name of an existing repository. @default the image has its own */
  readonly repositoryName?: pulumi.Input<string> | undefined;
  /** Whether the repository and its images remain after the stack is deleted. */
  readonly retain: boolean;
  readonly transform?: ImageTransform | undefined;
}

export interface ImageTransform {
  /** The ECR repository. */
  readonly repository?: Transform<aws.ecr.RepositoryArgs>;
  /** The build of the image. */
  readonly image?: Transform<awsx.ecr.ImageArgs>;
}

/** What the builder builds. */
export interface ImageBuild {
  /** Folder with the build context, and the Dockerfile. Both are relative to the working directory of the program. */
  readonly context: string;
  readonly dockerfile: string;
  readonly platform: (typeof PLATFORMS)[CpuArchitecture];
  /** Stage of the Dockerfile. @default the last one */
  readonly target?: string;
  /** Build arguments. */
  readonly args: Readonly<Record<string, string>>;
  /** Hash of everything above and of the files. */
  readonly contentHash: string;
}

/**
 * Reads the files of a build. An absolute path would make the image look changed on another machine, so the paths become
 * relative.
 * @param source.context folder; a relative path is relative to the working directory.
 * @param source.dockerfile path of the Dockerfile in that folder.
 * @throws {ExpectedError} if the context is missing or too large.
 */
export function planBuild(
  source: Pick<ImageBuild, "context" | "dockerfile" | "target"> & Partial<Pick<ImageBuild, "args">>,
  cpuArchitecture: CpuArchitecture,
): ImageBuild {
  const { context, dockerfile, target, args = {} } = source;
  const platform = PLATFORMS[cpuArchitecture];
  const folder = toPosix(path.relative(process.cwd(), path.resolve(context))) || ".";
  const salt = JSON.stringify([platform, target, Object.entries(args)]);
  return {
    context: folder,
    dockerfile: path.posix.join(folder, toPosix(dockerfile)),
    platform,
    ...(target !== undefined && { target }),
    args,
    contentHash: hashBuildContext({ folder, dockerfile: toPosix(dockerfile) }, salt),
  };
}

function toPosix(file: string): string {
  return file.replaceAll(path.sep, "/");
}

/**
 * An image in a private ECR repository with immutable tags. The tag consists of the content hash and a random part
 * for each change of the content. Unchanged content is not built again. Content that returns after a change gets a new tag,
 * because its earlier tag is taken.
 */
export class Image extends pulumi.ComponentResource {
  /** Image URI with digest, such as `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:…`. */
  readonly uri: pulumi.Output<string>;
  /** ARN of the ECR repository. */
  readonly repositoryArn: pulumi.Output<string>;

  constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Image", name, {}, opts);
    const child = { parent: this };

    const { build, transform } = args;

    const repository =
      args.repositoryName === undefined
        ? declareRepository(name, args, child)
        : aws.ecr.getRepositoryOutput({ name: args.repositoryName }, child);

    const change = new random.RandomId(
      `${name}-change`,
      { byteLength: CHANGE_BYTES, keepers: { contentHash: build.contentHash } },
      child,
    );
    const image = new awsx.ecr.Image(
      ...applyTransform(
        transform?.image,
        name,
        {
          repositoryUrl: repository.repositoryUrl,
          context: build.context,
          dockerfile: build.dockerfile,
          platform: build.platform,
          ...(build.target !== undefined && { target: build.target }),
          ...(Object.keys(build.args).length > 0 && { args: build.args }),
          imageTag: pulumi.interpolate`${build.contentHash}-${change.hex}`,
        },
        // New content replaces this resource. Without this option, Pulumi would delete the previous image, which a rollback
        // needs. Only the lifecycle policy and the deletion of the repository remove images.
        { ...child, retainOnDelete: true },
      ),
    );

    this.uri = image.imageUri;
    this.repositoryArn = repository.arn;
    this.registerOutputs({ uri: this.uri, repositoryArn: this.repositoryArn });
  }
}

/** Declares a private repository with immutable tags, and the policy that removes old images. */
function declareRepository(
  name: string,
  { retain, transform }: ImageArgs,
  { parent }: { readonly parent: pulumi.Resource },
): aws.ecr.Repository {
  const options = { parent, retainOnDelete: retain };
  const repository = new aws.ecr.Repository(
    ...applyTransform(
      transform?.repository,
      name,
      {
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: "AES256" }],
        forceDelete: !retain,
      },
      options,
    ),
  );
  new aws.ecr.LifecyclePolicy(
    `${name}-lifecycle`,
    {
      repository: repository.name,
      policy: JSON.stringify({
        rules: [
          {
            rulePriority: 1,
            description: `Keep ${MAX_IMAGES} images`,
            selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: MAX_IMAGES },
            action: { type: "expire" },
          },
        ],
      }),
    },
    options,
  );
  return repository;
}
