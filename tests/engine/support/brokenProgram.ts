/**
 * The program with values that AWS rejects. It replaces index.ts in a copy of the repository, and reads the values from
 * broken.json beside it.
 */
export const BROKEN_PROGRAM = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { runProgram } from "./infra/program.ts";
import { withValue } from "${import.meta.dirname}/withValue.ts";

const { type, values } = JSON.parse(readFileSync("broken.json", "utf8"));
pulumi.runtime.registerResourceTransform(({ type: declared, props, opts }) => {
  if (declared !== type) return undefined;
  const broken = { ...props };
  for (const [path, value] of values) {
    const [key] = path.split(/[.[]/);
    broken[key] = pulumi.output(broken[key]).apply((known) => withValue({ [key]: known }, path, value)[key]);
  }
  return { props: broken, opts };
});
await runProgram();
`;
