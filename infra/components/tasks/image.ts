import { readFileSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { hashContent } from "./contentHash.ts";

const PLATFORM = "linux/arm64";
const DOCKERFILE = "app/Dockerfile";

const DOCKERIGNORE = ".dockerignore";

/** Length of the random part of a tag. It distinguishes two deployments of the same content. */
const CHANGE_BYTES = 3;

/** Images that the lifecycle policy keeps for running tasks and rollbacks. */
const MAX_IMAGES = 20;

export interface ImageArgs {
  /** Hash of the build context; see {@link hashImageContent}. */
  readonly contentHash: string;
  /** Whether the repository and its images remain after the stack is deleted. */
  readonly retain: boolean;
}

/**
 * The server's image in a private ECR repository with immutable tags. The tag consists of the content hash and a random part
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

    const repository = new aws.ecr.Repository(
      name,
      {
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: "AES256" }],
        forceDelete: !args.retain,
      },
      { ...child, retainOnDelete: args.retain },
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
      { ...child, retainOnDelete: args.retain },
    );

    const change = new random.RandomId(
      `${name}-change`,
      { byteLength: CHANGE_BYTES, keepers: { contentHash: args.contentHash } },
      child,
    );
    const image = new awsx.ecr.Image(
      name,
      {
        repositoryUrl: repository.repositoryUrl,
        // An absolute path would make the image look changed on another machine.
        context: ".",
        dockerfile: DOCKERFILE,
        platform: PLATFORM,
        imageTag: pulumi.interpolate`${args.contentHash}-${change.hex}`,
      },
      // New content replaces this resource. Without this option, Pulumi would delete the previous image, which a rollback
      // needs. Only the lifecycle policy and the deletion of the repository remove images.
      { ...child, retainOnDelete: true },
    );

    this.uri = image.imageUri;
    this.repositoryArn = repository.arn;
    this.registerOutputs({ uri: this.uri, repositoryArn: this.repositoryArn });
  }
}

/**
 * Returns a hash of the build context of the image, without its base image.
 * @param root folder of the repository.
 * @throws {Error} if a file of the build context is missing.
 */
export function hashImageContent(root: string): string {
  return hashContent(root, listBuildContext(root), PLATFORM);
}

/**
 * Returns the files and folders of the build context: the exceptions in .dockerignore, .dockerignore itself and the Dockerfile.
 * The list must include everything that the builder hashes. Otherwise changed content would get an existing tag.
 * @param root folder of the repository.
 * @throws {Error} if .dockerignore is not `*` and a list of exceptions.
 */
export function listBuildContext(root: string): readonly string[] {
  const lines = readFileSync(path.join(root, DOCKERIGNORE), "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [first, ...exceptions] = lines;
  if (first !== "*" || exceptions.some((line) => !/^![\w./-]+$/.test(line))) {
    throw new Error(
      `\`${DOCKERIGNORE}\`: got ${JSON.stringify([first, ...exceptions].join(" "))}; ` +
        'expected a line "*" and a line "!PATH" for each file or folder of the image.',
    );
  }
  return [DOCKERIGNORE, DOCKERFILE, ...exceptions.map((line) => line.slice(1))];
}
