/** The package.json of the npm package. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { declarationOf } from "./compile.ts";
import { COMMAND, EXPORTS, MAIN } from "./entries.ts";
import { importedPackages } from "./importedPackages.ts";

/** Before 22.12, CommonJS programs cannot load ES modules. */
const ENGINES = { node: ">=22.12" } as const;

/** The program and the package must share one copy of these, so the program installs them. */
const PEER = "@pulumi/";

/** Packages that only some programs need. */
const OPTIONAL_PEERS = ["@pulumi/policy"] as const;

/** Compiled modules that have the same content as a bundle of the package. */
const CLIENT_BUNDLE = "./console/client.js";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export function writeManifest(root: string, folder: string): void {
  const own = readManifest(root);
  const versions = {
    // Some of them have the types of dependencies.
    ...own.devDependencies,
    ...own.dependencies,
    ...readManifest(path.join(root, "app")).dependencies,
    ...readManifest(path.join(root, "local/stand-in-valkey")).dependencies,
  };
  const imported = importedPackages(folder);
  const peers = imported.filter((name) => name.startsWith(PEER));
  const { name, version, description, license } = own;
  const manifest = {
    name,
    version,
    description,
    keywords: ["pulumi", "aws", "websocket", "fargate", "cloudfront"],
    license,
    type: "module",
    sideEffects: false,
    bin: { [name]: compiled(COMMAND) },
    // For compilers whose module resolution does not read `exports`.
    main: compiled(MAIN),
    types: declarationOf(MAIN),
    typesVersions: {
      "*": Object.fromEntries(
        Object.entries(EXPORTS).flatMap(([key, file]) =>
          key === "." ? [] : [[key.slice(2), [declarationOf(file)]]],
        ),
      ),
    },
    exports: {
      ...Object.fromEntries(
        Object.entries(EXPORTS).map(([key, file]) => [
          key,
          { types: declarationOf(file), default: key === "./client" ? CLIENT_BUNDLE : compiled(file) },
        ]),
      ),
      "./package.json": "./package.json",
    },
    engines: ENGINES,
    dependencies: Object.fromEntries(
      imported.filter((name) => !name.startsWith(PEER)).map((name) => [name, versionOf(name, versions)]),
    ),
    peerDependencies: Object.fromEntries(peers.map((name) => [name, rangeFrom(versionOf(name, versions))])),
    peerDependenciesMeta: Object.fromEntries(OPTIONAL_PEERS.map((name) => [name, { optional: true }])),
    publishConfig: { access: "public" },
  };
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function compiled(source: string): string {
  return source.replace(/\.ts$/, ".js");
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest;
}

function versionOf(name: string, versions: Readonly<Record<string, string>>): string {
  const version = versions[name];
  if (version === undefined)
    throw new Error(`${name}: the package imports it, but no package.json has its version.`);
  return version;
}

/** Accepts later versions of the major version. A caret before 0.0.22 would accept only that version. */
function rangeFrom(version: string): string {
  return version.startsWith("0.") ? `>=${version} <1` : `^${version}`;
}
