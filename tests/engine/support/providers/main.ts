/**
 * The executable of every stand-in provider: `node main.ts PACKAGE FOLDER [ENGINE_ADDRESS]`, where FOLDER is that of
 * the stand-in for AWS. Without an engine address it waits for engines that attach to it, until its standard input closes.
 */
import { createRequire } from "node:module";
import { provider } from "@pulumi/pulumi";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { Cloud } from "../cloud.ts";

const [, , name = "", folder = "", ...engineArgs] = process.argv;
const cloud = new Cloud(folder);
// The engine compares a provider's version with the one that the SDK asks for.
const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };

// Only the stand-in for awsx needs the SDK of AWS, which takes a second to load.
const { standIn } = name === "awsx" ? await import("./awsxProvider.ts") : await import("./customProvider.ts");

// The engine leaves out the state of what is imported, and the SDK's server counts on one.
const { ReadRequest } = messages;
const propertiesOf = Object.getOwnPropertyDescriptor(ReadRequest.prototype, "getProperties")?.value as (
  this: messages.ReadRequest,
) => struct.Struct | undefined; // A method of the SDK.
ReadRequest.prototype.getProperties = function () {
  return propertiesOf.call(this) ?? new struct.Struct();
};

if (engineArgs.length === 0) process.stdin.resume().once("end", () => process.exit());

await provider.main(standIn(cloud, version), engineArgs);
