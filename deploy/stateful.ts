/** What cannot be made again: before it goes, someone is asked. */
import type { Progress, Resource } from "./progress/progress.ts";

/** Types whose deletion or replacement loses something, and what that is. */
export const STATEFUL_TYPES: Readonly<Record<string, string>> = {
  "aws:cloudfront/distribution:Distribution": "the domain name that clients connect to",
  "aws:cloudwatch/logGroup:LogGroup": "the logs of the tasks",
  "aws:ecr/repository:Repository": "the images",
  "aws:elasticache/serverlessCache:ServerlessCache": "the retained messages",
  "aws:s3/bucket:Bucket": "the access and flow logs",
  "random:index/randomPassword:RandomPassword": "a secret that something may still use",
};

export interface Loss {
  readonly resource: Resource;
  readonly what: string;
}

/** What a preview would delete or replace of the above, and AWS then too. */
export function losses(preview: Progress): readonly Loss[] {
  return [...preview.resources.values()].flatMap((resource) => {
    const what = STATEFUL_TYPES[resource.type];
    const goes = resource.change === "replace" || resource.change === "delete";
    return what !== undefined && goes && !resource.retained ? { resource, what } : [];
  });
}
