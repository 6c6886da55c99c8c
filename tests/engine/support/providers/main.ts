/**
 * The executable of every stand-in provider: `node main.ts PACKAGE FOLDER ENGINE_ADDRESS`, where FOLDER holds the
 * stand-in cloud.
 */
import { createRequire } from "node:module";
import { provider } from "@pulumi/pulumi";
import { Cloud } from "../cloud.ts";

const [, , name = "", folder = "", ...engineArgs] = process.argv;
const cloud = new Cloud(folder);
// The engine compares a provider's version with the one that the SDK asks for.
const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };

// Only the stand-in for awsx needs the SDK of AWS, which takes a second to load.
const { standIn } = name === "awsx" ? await import("./awsxProvider.ts") : await import("./customProvider.ts");

await provider.main(standIn(cloud, version), engineArgs);
