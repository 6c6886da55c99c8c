/** The script of `/client.js`: the client as one ES module for browsers. */
import { readFile } from "node:fs/promises";
import path from "node:path";

/**
 * Returns the built file in the console's folder, which the image contains. In the repository, there is none, and the client's
 * source beside the console is bundled.
 * @throws {Error} if the source cannot be bundled, or esbuild is not installed.
 */
export async function readClientScript(consoleFolder: string): Promise<string> {
  try {
    return await readFile(path.join(consoleFolder, "client.js"), "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    return bundleClient(path.join(consoleFolder, "../client"));
  }
}

/**
 * Bundles the client's modules. The result does not depend on the working directory.
 * @throws {Error} if the source cannot be bundled, or esbuild is not installed.
 */
export async function bundleClient(clientFolder: string): Promise<string> {
  // A devDependency, which the image does not contain.
  const { buildSync } = await import("esbuild");
  // The asynchronous build leaves a process running.
  const { outputFiles } = buildSync({
    absWorkingDir: clientFolder,
    entryPoints: ["src/index.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    tsconfigRaw: {},
    logLevel: "silent",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
