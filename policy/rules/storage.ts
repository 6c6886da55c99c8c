import { findReferences } from "../rule.ts";
import type { Resource, Rule, Stack } from "../rule.ts";
import { jsonAt, listAt, textAt, textsAt, valueAt } from "../values.ts";

const BUCKET = "aws:s3/bucket:Bucket";

const PUBLIC_ACCESS_BLOCKS = [
  "blockPublicAcls",
  "blockPublicPolicy",
  "ignorePublicAcls",
  "restrictPublicBuckets",
] as const;

export const storageRules: readonly Rule[] = [
  {
    id: "S1",
    level: "mandatory",
    what: "Buckets have server access logs.",
    why: "They show which principal read or wrote an object.",
    fix: "Declare a BucketLogging with another bucket as the target.",
    types: [BUCKET],
    scope: "stack",
    *check(bucket, stack) {
      const logged =
        listAt(bucket.properties, "logging").length > 0 ||
        belongingTo(bucket, stack, "aws:s3/bucketLogging:BucketLogging").length > 0;
      if (!logged) yield "its requests are not logged";
    },
  },
  {
    id: "S2",
    level: "mandatory",
    what: "Buckets block public access with all four settings.",
    why: "Otherwise one wrong policy or ACL makes all objects public.",
    fix: `Declare a BucketPublicAccessBlock with ${PUBLIC_ACCESS_BLOCKS.join(", ")}.`,
    types: [BUCKET],
    scope: "stack",
    *check(bucket, stack) {
      const blocks = belongingTo(bucket, stack, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock");
      for (const block of PUBLIC_ACCESS_BLOCKS) {
        if (!blocks.some(({ properties }) => valueAt(properties, block) === true)) yield `${block} is off`;
      }
    },
  },
  {
    id: "S10",
    level: "mandatory",
    what: "Buckets refuse requests without TLS.",
    why: "By default S3 accepts HTTP from every principal with permissions.",
    fix: 'Deny s3:* to "*" on the bucket and its objects if aws:SecureTransport is false.',
    types: [BUCKET],
    scope: "stack",
    *check(bucket, stack) {
      const statements = belongingTo(bucket, stack, "aws:s3/bucketPolicy:BucketPolicy").flatMap(
        ({ properties }) => listAt(jsonAt(properties, "policy"), "Statement"),
      );
      if (!statements.some((statement) => deniesPlainHttp(statement, bucket)))
        yield "it accepts requests without TLS";
    },
  },
  {
    id: "ECR1",
    level: "mandatory",
    what: "Repositories are private.",
    why: "An image contains the code of a service, and possibly secrets.",
    fix: "Use a private repository, and name the accounts that can pull in its policy.",
    types: ["aws:ecr/repositoryPolicy:RepositoryPolicy", "aws:ecrpublic/repository:Repository"],
    scope: "resource",
    *check({ type, properties }) {
      if (type.startsWith("aws:ecrpublic/")) yield "it is public";
      for (const statement of listAt(jsonAt(properties, "policy"), "Statement")) {
        if (valueAt(statement, "Effect") === "Allow" && allowsEveryone(statement)) {
          yield `every principal is allowed ${textsAt(statement, "Action").join(", ")}`;
        }
      }
    },
  },
  {
    id: "PUBLIC",
    level: "mandatory",
    what: "No bucket policy has a statement that allows every principal.",
    why: "S3 refuses the policy if public access is blocked, and otherwise makes the objects public.",
    fix: "Name accounts or services as `Principal`.",
    types: ["aws:s3/bucketPolicy:BucketPolicy"],
    scope: "resource",
    *check({ properties }) {
      for (const statement of listAt(jsonAt(properties, "policy"), "Statement")) {
        if (valueAt(statement, "Effect") !== "Allow") continue;
        if (allowsEveryone(statement) || valueAt(statement, "NotPrincipal") !== undefined) {
          yield `every principal is allowed ${textsAt(statement, "Action").join(", ")}`;
        }
      }
    },
  },
  {
    id: "IMAGES",
    level: "mandatory",
    what: "Image tags are immutable, and images are scanned.",
    why: "With a mutable tag, a task definition can start an image that was not tested.",
    fix: 'Set `imageTagMutability` to "IMMUTABLE", and `imageScanningConfiguration.scanOnPush`.',
    types: ["aws:ecr/repository:Repository"],
    scope: "resource",
    *check({ properties }) {
      const mutability = textAt(properties, "imageTagMutability") ?? "MUTABLE";
      if (!mutability.startsWith("IMMUTABLE")) yield "its tags are mutable";
      if (valueAt(properties, "imageScanningConfiguration.scanOnPush") !== true) {
        yield "its images are not scanned";
      }
    },
  },
];

function belongingTo(bucket: Resource, stack: Stack, type: string): Stack {
  return findReferences(bucket, stack, type, "bucket");
}

/** The condition as JSON. A second condition would exclude some requests. */
const ONLY_WITHOUT_TLS = /^\{"Bool":\{"aws:SecureTransport":\[?(?:"false"|false)\]?\}\}$/;

function deniesPlainHttp(statement: unknown, { properties }: Resource): boolean {
  return (
    valueAt(statement, "Effect") === "Deny" &&
    allowsEveryone(statement) &&
    textsAt(statement, "Action").some((action) => action === "s3:*" || action === "*") &&
    ONLY_WITHOUT_TLS.test(JSON.stringify(valueAt(statement, "Condition"))) &&
    coversBucket(textsAt(statement, "Resource"), properties)
  );
}

/** Whether the resources are the bucket and its objects. Unknown properties of the bucket are not compared. */
function coversBucket(resources: readonly string[], { arn, bucket }: Resource["properties"]): boolean {
  if (resources.includes("*")) return true;
  const isBucket = (resource: string): boolean => {
    if (typeof arn === "string") return resource === arn;
    return typeof bucket !== "string" || resource.endsWith(`:${bucket}`);
  };
  return resources.some((resource) => isBucket(resource) && resources.includes(`${resource}/*`));
}

function allowsEveryone(statement: unknown): boolean {
  const principal = valueAt(statement, "Principal");
  return principal === "*" || textsAt(principal, "AWS").includes("*");
}
