import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Two findings and one unused suppression. */
const EDITS = [
  [
    "infra/components/network/loadBalancer.ts",
    "accessLogs: { enabled: true,",
    "accessLogs: { enabled: false,",
  ],
  ["infra/components/logBucket.ts", "ignorePublicAcls: true", "ignorePublicAcls: false"],
  [
    "infra/components/cloudFront/distribution.ts",
    '{ restrictionType: "none" }',
    '{ restrictionType: "whitelist", locations: ["DE"] }',
  ],
] as const;

/** Applies the edits to the program in a copy of the repository. */
export function breakProgram(folder: string): void {
  for (const [file, right, wrong] of EDITS) edit(folder, file, right, wrong);
}

/** Replaces the only occurrence of a text. */
export function edit(folder: string, file: string, before: string, after: string): void {
  const target = path.join(folder, file);
  const parts = readFileSync(target, "utf8").split(before);
  assert.equal(parts.length, 2, `${file} has ${JSON.stringify(before)} once`);
  writeFileSync(target, parts.join(after));
}
