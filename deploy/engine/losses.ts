/** Resources that cannot be created again as they were. */
import type { EngineReport, Resource } from "./engineReport.ts";
import { CHANGES, nameAndType } from "./wording.ts";

/** By type: what is lost if the resource is deleted or replaced. */
const LOSSES: Readonly<Record<string, string>> = {
  "aws:cloudfront/distribution:Distribution": "the domain name that clients connect to",
  "aws:cloudwatch/logGroup:LogGroup": "the logs of the tasks",
  "aws:ecr/repository:Repository": "the images",
  "aws:elasticache/serverlessCache:ServerlessCache": "the retained messages",
  "aws:s3/bucket:Bucket": "the access and flow logs",
  "random:index/randomPassword:RandomPassword": "a secret that may still be in use",
};

export interface Loss {
  readonly resource: Resource;
  readonly what: string;
}

/** What the previewed operation would lose. Resources that the cloud keeps (`retainOnDelete`) are not lost. */
export function lossesOf(preview: EngineReport): readonly Loss[] {
  return preview.changed.flatMap((resource) => {
    const what = LOSSES[resource.type];
    const isRemoved = resource.change === "replace" || resource.change === "delete";
    return what !== undefined && isRemoved && !resource.isRetained ? [{ resource, what }] : [];
  });
}

export function describeLoss({ resource, what }: Loss): string {
  return `${nameAndType(resource)} would be ${CHANGES[resource.change]}: ${what} would be lost`;
}
