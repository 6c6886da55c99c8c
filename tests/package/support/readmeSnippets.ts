/** The TypeScript in infra/README.md. */
import { readFileSync } from "node:fs";
import path from "node:path";

const README = path.resolve(import.meta.dirname, "../../../infra/README.md");

/** What snippets refer to: resources of the program in fixtures/existing-program. */
const CONTEXT = `
import type * as aws from "@pulumi/aws";
import type * as awsx from "@pulumi/awsx";
declare global {
  const vpc: awsx.ec2.Vpc;
  const cluster: aws.ecs.Cluster;
  const https: aws.lb.Listener;
}
`;

/** Returns the texts of the snippets by file name, and a file with what they refer to. */
export function readmeSnippets(): Readonly<Record<string, string>> {
  const snippets = [...readFileSync(README, "utf8").matchAll(/```ts\n(?<text>.*?)```/gs)].map(
    ({ groups }, index) => [`snippet${index + 1}.mts`, groups?.["text"] ?? ""] as const,
  );
  return { "context.mts": CONTEXT, ...Object.fromEntries(snippets) };
}

/** @throws {Error} if not exactly one snippet contains the text. */
export function readmeSnippet(part: string): string {
  const found = Object.values(readmeSnippets()).filter((text) => text.includes(part));
  if (found.length !== 1)
    throw new Error(`${found.length} snippets of infra/README.md contain ${part}; expected one.`);
  return found[0] ?? "";
}
