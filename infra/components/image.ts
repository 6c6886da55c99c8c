import { readFileSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { contentHash } from "./contentHash.ts";

const PLATFORM = "linux/arm64";
const DOCKERFILE = "app/Dockerfile";

const DOCKERIGNORE = ".dockerignore";

/** Tells two times apart at which the same content was deployed. */
const CHANGE_BYTES = 3;

/** Images that the repository keeps, for tasks that run one and for rollbacks; older ones are deleted. */
const KEPT_IMAGES = 20;

export interface ImageArgs {
  /** Hash of what the image is made of; see {@link imageContentHash}. */
  readonly contentHash: string;
  /** Whether repository and images outlive the stack. */
  readonly retain: boolean;
}

/**
 * The server's image: a private repository with immutable tags, and the image built into it. The tag names the content
 * and the change that brought it: unchanged content is not built again, and content that comes back is built under a new
 * tag, because the old one still names the old image.
 */
export class Image extends pulumi.ComponentResource {
  /** Image by digest, such as `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:…`. */
  readonly uri: pulumi.Output<string>;
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
              description: `Keep ${KEPT_IMAGES} images`,
              selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: KEPT_IMAGES },
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
        // Relative paths: an absolute one would make the same image look changed on another machine.
        context: ".",
        dockerfile: DOCKERFILE,
        platform: PLATFORM,
        imageTag: pulumi.interpolate`${args.contentHash}-${change.hex}`,
      },
      // New content is a new resource, and the old one's deletion would take its image out of the repository: the
      // image that a rollback needs. Only the lifecycle policy and the repository's own deletion remove images.
      { ...child, retainOnDelete: true },
    );

    this.uri = image.imageUri;
    this.repositoryArn = repository.arn;
    this.registerOutputs({ uri: this.uri, repositoryArn: this.repositoryArn });
  }
}

/**
 * A hash of everything that the image built from `root` would be made of, but its base image.
 * @throws {Error} where a file of the build is missing.
 */
export function imageContentHash(root: string): string {
  return contentHash(root, buildContext(root), PLATFORM);
}

/**
 * Everything that the image is made of: what .dockerignore lets in, itself, and the Dockerfile. It must be no less
 * than what the builder hashes, or changed content would be pushed under a tag that exists.
 * @throws {Error} where .dockerignore is more than a list of exceptions from `*`.
 */
export function buildContext(root: string): readonly string[] {
  const lines = readFileSync(path.join(root, DOCKERIGNORE), "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [first, ...exceptions] = lines;
  if (first !== "*" || exceptions.some((line) => !/^![\w./-]+$/.test(line))) {
    throw new Error(
      `${DOCKERIGNORE} must be a line "*", then "!PATH" for every file or folder of the image.`,
    );
  }
  return [DOCKERIGNORE, DOCKERFILE, ...exceptions.map((line) => line.slice(1))];
}
