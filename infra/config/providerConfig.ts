/** The keys of the namespace `aws`. */
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { quoteValue } from "../../app/src/settings/definition.ts";
import { nearest } from "../../app/src/settings/nearest.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { otherPartitionOf, REGIONS } from "./data/regions.ts";

/** The keys that reach the provider. The program declares its provider itself, which reads no others. */
export const PROVIDER_KEYS = ["region", "profile", "allowedAccountIds"] as const;

const ACCOUNT_ID = /^\d{12}$/;

/** The configuration of the AWS provider. */
export interface ProviderConfig {
  /** From `aws:region`. */
  readonly region: aws.Region;
  /** AWS profile for credentials, from `aws:profile`. */
  readonly profile: string | undefined;
  /** Accounts that may be deployed to, from `aws:allowedAccountIds`. */
  readonly allowedAccountIds: readonly string[] | undefined;
}

/** @param problems receives what is wrong; the region is then absent if it is among it. */
export function readProviderConfig(
  problems: Problem[],
): Partial<Pick<ProviderConfig, "region">> & Omit<ProviderConfig, "region"> {
  const config = new pulumi.Config("aws");
  const region = readRegion(config.get("region"), problems);
  return {
    ...(region !== undefined && { region }),
    profile: config.get("profile"),
    allowedAccountIds: readAccountIds(config.get("allowedAccountIds"), problems),
  };
}

function readRegion(text: string | undefined, problems: Problem[]): aws.Region | undefined {
  const region = REGIONS.find((candidate) => candidate === text);
  if (region !== undefined) return region;
  const key = "aws:region";
  const otherPartition = otherPartitionOf(text ?? "");
  const meant = otherPartition === undefined ? nearest(text ?? "", REGIONS) : undefined;
  problems.push({
    key,
    got: text === undefined ? "nothing" : quoteValue(text),
    expected:
      otherPartition !== undefined
        ? `a region of the AWS partition aws: regions ${otherPartition}* belong to another one and are unsupported`
        : meant === undefined
          ? "an AWS region"
          : `an AWS region (did you mean ${meant}?)`,
    fix: [meant === undefined ? { ask: key } : { set: key, to: meant }],
  });
  return undefined;
}

function readAccountIds(text: string | undefined, problems: Problem[]): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const ids = parseList(text)?.map(String);
  if (ids?.every((id) => ACCOUNT_ID.test(id)) === true) return ids;
  const key = "aws:allowedAccountIds";
  const legal = text.match(/\b\d{12}\b/g);
  problems.push({
    key,
    got: quoteValue(text),
    expected: "a list of account IDs with 12 digits each",
    fix: [legal === null ? { ask: key, as: "list" } : { set: key, to: legal }],
  });
  return undefined;
}

/** The items of a list, which Pulumi returns as JSON. */
function parseList(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
