/** A private ECR repository, such as `123456789012.dkr.ecr.us-east-1.amazonaws.com/folder/name:tag`. */
const PRIVATE_REPOSITORY =
  /^(?<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?<region>[\w-]+)\.(?:amazonaws\.com|on\.aws)\/(?<name>[^:@]+)/;

/**
 * Returns the ARN of the private ECR repository of an image, or `undefined` for an image of another registry. The partition is
 * `aws`, as everywhere in the program.
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
 */
export function findRepositoryArn(imageUri: string): string | undefined {
  const { account, region, name } = PRIVATE_REPOSITORY.exec(imageUri)?.groups ?? {};
  if (account === undefined || region === undefined || name === undefined) return undefined;
  return `arn:aws:ecr:${region}:${account}:repository/${name}`;
}
