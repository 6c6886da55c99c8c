/** A program in a folder with the packed package, and the packages of the repository that npm would install beside it. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { packPackage } from "./packedPackage.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
export const PACKAGE_NAME = "pulumi-websocket-server";

/** Linked file by file: Node follows a link to a folder, and would find the compiler of the repository beside it. */
const LINKED_BY_FILE = "@pulumi";
/** Programs from `pulumi new` have no compiler: Pulumi compiles them with its own. */
const NOT_INSTALLED = ["typescript", LINKED_BY_FILE, ".bin", ".cache", "@types"];
/** Types that programs from `pulumi new` install. The package depends on the other ones. */
const TYPES = ["@types/node"];

export interface InstallOptions {
  /** Folder of the repository with the files of the program. */
  readonly files: string;
  /** Whether the program has the compiler of the repository. @default false */
  readonly hasCompiler?: boolean;
}

/** Creates the program in an empty folder. Its `node_modules` is partly beside it, where Node looks next. */
export function installProgram(folder: string, { files, hasCompiler = false }: InstallOptions): void {
  cpSync(files, folder, { recursive: true });
  const modules = path.join(folder, "node_modules");
  mkdirSync(path.join(modules, ".bin"), { recursive: true });
  execFileSync("tar", ["-xzf", packPackage().tarball, "-C", modules]);
  execFileSync("mv", [path.join(modules, "package"), path.join(modules, PACKAGE_NAME)]);
  // As npm does.
  const command = path.join(modules, PACKAGE_NAME, "bin", `${PACKAGE_NAME}.js`);
  chmodSync(command, 0o755);
  symlinkSync(command, path.join(modules, ".bin", PACKAGE_NAME));

  const from = path.join(ROOT, "node_modules");
  const to = path.join(path.dirname(folder), "node_modules");
  mkdirSync(path.join(to, "@types"), { recursive: true });
  linkFiles(path.join(from, LINKED_BY_FILE), path.join(to, LINKED_BY_FILE));
  const links = [
    ...readdirSync(from).filter((name) => !NOT_INSTALLED.includes(name)),
    ...TYPES,
    ...typesOf(path.join(modules, PACKAGE_NAME)),
    ...(hasCompiler ? ["typescript"] : []),
  ];
  for (const name of links) symlinkSync(path.join(from, name), path.join(to, name));
}

/** The packages of types that a package depends on. */
function typesOf(folder: string): readonly string[] {
  const { dependencies } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return Object.keys(dependencies).filter((name) => name.startsWith("@types/"));
}

function linkFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) linkFiles(source, target);
    else linkOrCopy(source, target);
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    // The temporary folder is on another file system.
    copyFileSync(source, target);
  }
}
