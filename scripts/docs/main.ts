/** `npm run docs`: writes the texts that repeat the program, such as the tables of keys and the declared resources. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { generateFiles, ROOT } from "./generatedFiles.ts";

for (const { name, actual, expected } of await generateFiles((stack) => evaluateStack({ stack }))) {
  if (actual === expected) continue;
  writeFileSync(path.join(ROOT, name), expected);
  console.log(`Wrote ${name}.`);
}
