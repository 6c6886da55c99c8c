import { referringTo } from "../rule.ts";
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
    what: "Buckets keep server access logs.",
    why: "They say who read or wrote which object.",
    fix: "Declare a BucketLogging with another bucket as its target.",
    types: [BUCKET],
    scope: "stack",
    *faults(bucket, stack) {
      const logged =
        listAt(bucket.properties, "logging").length > 0 ||
        belongingTo(bucket, stack, "aws:s3/bucketLogging:BucketLogging").length > 0;
      if (!logged) yield "requests to it are not logged";
    },
  },
  {
    id: "S2",
    level: "mandatory",
    what: "Buckets block public access, in all four ways.",
    why: "One careless policy or ACL publishes everything otherwise.",
    fix: `Declare a BucketPublicAccessBlock with ${PUBLIC_ACCESS_BLOCKS.join(", ")}.`,
    types: [BUCKET],
    scope: "stack",
    *faults(bucket, stack) {
      const blocks = belongingTo(bucket, stack, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock");
      for (const way of PUBLIC_ACCESS_BLOCKS) {
        if (!blocks.some(({ properties }) => valueAt(properties, way) === true)) yield `${way} is off`;
      }
    },
  },
  {
    id: "S10",
    level: "mandatory",
    what: "Buckets refuse requests without TLS.",
    why: "S3 takes plain HTTP from everyone who may read or write.",
    fix: 'Deny s3:* to "*" on the bucket and its objects where aws:SecureTransport is false.',
    types: [BUCKET],
    scope: "stack",
    *faults(bucket, stack) {
      const statements = belongingTo(bucket, stack, "aws:s3/bucketPolicy:BucketPolicy").flatMap(
        ({ properties }) => listAt(jsonAt(properties, "policy"), "Statement"),
      );
      if (!statements.some((statement) => deniesPlainHttp(statement, bucket)))
        yield "it takes requests without TLS";
    },
  },
  {
    id: "ECR1",
    level: "mandatory",
    what: "Repositories are private.",
    why: "An image shows how a service is made, and with a slip what it knows.",
    fix: "Use a private repository, and name the accounts that may pull in its policy.",
    types: ["aws:ecr/repositoryPolicy:RepositoryPolicy", "aws:ecrpublic/repository:Repository"],
    scope: "resource",
    *faults({ type, properties }) {
      if (type.startsWith("aws:ecrpublic/")) yield "it is public";
      for (const statement of listAt(jsonAt(properties, "policy"), "Statement")) {
        if (valueAt(statement, "Effect") === "Allow" && isForEveryone(statement)) {
          yield `everyone may ${textsAt(statement, "Action").join(", ")}`;
        }
      }
    },
  },
  {
    id: "PUBLIC",
    level: "mandatory",
    what: "No policy of a bucket allows everyone anything.",
    why: "S3 refuses the policy while public access is blocked, and publishes the objects once it is not.",
    fix: "Name the accounts or services as `Principal`.",
    types: ["aws:s3/bucketPolicy:BucketPolicy"],
    scope: "resource",
    *faults({ properties }) {
      for (const statement of listAt(jsonAt(properties, "policy"), "Statement")) {
        if (valueAt(statement, "Effect") !== "Allow") continue;
        if (isForEveryone(statement) || valueAt(statement, "NotPrincipal") !== undefined) {
          yield `everyone may ${textsAt(statement, "Action").join(", ")}`;
        }
      }
    },
  },
  {
    id: "IMAGES",
    level: "mandatory",
    what: "A tag of a repository names one image for good, and every image is scanned.",
    why: "A task definition that names a tag would start another image than the one that was tested.",
    fix: 'Set `imageTagMutability` to "IMMUTABLE", and `imageScanningConfiguration.scanOnPush`.',
    types: ["aws:ecr/repository:Repository"],
    scope: "resource",
    *faults({ properties }) {
      const mutability = textAt(properties, "imageTagMutability") ?? "MUTABLE";
      if (!mutability.startsWith("IMMUTABLE")) yield "its tags can be moved to other images";
      if (valueAt(properties, "imageScanningConfiguration.scanOnPush") !== true) {
        yield "its images are not scanned";
      }
    },
  },
];

function belongingTo(bucket: Resource, stack: Stack, type: string): Stack {
  return referringTo(bucket, stack, type, "bucket");
}

/** A condition, as JSON. Another one beside it would let some requests through. */
const ONLY_WITHOUT_TLS = /^\{"Bool":\{"aws:SecureTransport":\[?(?:"false"|false)\]?\}\}$/;

function deniesPlainHttp(statement: unknown, { properties }: Resource): boolean {
  return (
    valueAt(statement, "Effect") === "Deny" &&
    isForEveryone(statement) &&
    textsAt(statement, "Action").some((action) => action === "s3:*" || action === "*") &&
    ONLY_WITHOUT_TLS.test(JSON.stringify(valueAt(statement, "Condition"))) &&
    coversBucket(textsAt(statement, "Resource"), properties)
  );
}

/** Whether these are the bucket and its objects. What is not known yet of the bucket is not compared. */
function coversBucket(resources: readonly string[], { arn, bucket }: Resource["properties"]): boolean {
  if (resources.includes("*")) return true;
  const isBucket = (resource: string): boolean => {
    if (typeof arn === "string") return resource === arn;
    return typeof bucket !== "string" || resource.endsWith(`:${bucket}`);
  };
  return resources.some((resource) => isBucket(resource) && resources.includes(`${resource}/*`));
}

function isForEveryone(statement: unknown): boolean {
  const principal = valueAt(statement, "Principal");
  return principal === "*" || textsAt(principal, "AWS").includes("*");
}
