/** `npm run docs`: writes the texts that repeat the program, such as the tables of keys and the declared resources. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { type GeneratedFile, generateFiles, generateSources, ROOT } from "./generatedFiles.ts";

write(await generateSources());
write(await generateFiles((stack) => evaluateStack({ stack })));

function write(files: readonly GeneratedFile[]): void {
  for (const { name, actual, expected } of files) {
    if (actual === expected) continue;
    writeFileSync(path.join(ROOT, name), expected);
    console.log(`Wrote ${name}.`);
  }
}
