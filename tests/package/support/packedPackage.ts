/** The npm package as npm would publish it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../../..");

/** The part of the output of `npm pack --json` that is read here. */
export interface PackedPackage {
  /** Path of the tarball. */
  readonly tarball: string;
  /** Size of the tarball in bytes. */
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: PackedPackage | undefined;

/** Builds and packs the package, once in a process. The tarball is deleted when the process ends. */
export function packPackage(): PackedPackage {
  if (packed !== undefined) return packed;
  const folder = mkdtempSync(path.join(tmpdir(), "package-"));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const built = path.join(folder, "built");
  execFileSync(process.execPath, [path.join(ROOT, "scripts/package/main.ts"), built]);
  const output = execFileSync("npm", ["pack", "--json", "--silent", "--pack-destination", folder], {
    cwd: built,
    encoding: "utf8",
  });
  const [{ filename, ...rest }] = JSON.parse(output) as [
    Omit<PackedPackage, "tarball"> & { readonly filename: string },
  ];
  packed = { ...rest, tarball: path.join(folder, filename) };
  return packed;
}
