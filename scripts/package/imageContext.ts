/**
 * The build context of the server's image in the npm package: the bundle in place of the sources, so the build installs nothing.
 * It has the same Dockerfile path and .dockerignore path as the repository, which the component reads.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

const CONTEXT = ["app/dist/server.mjs", "console"];

const DOCKERIGNORE = `# Only these files are in the build context. The image's tag is a hash of them.
*
${CONTEXT.map((file) => `!${file}`).join("\n")}
`;

/** What the last stage of the Dockerfile copies from the stage before it, and where the files are in the package. */
const COPIES = {
  "COPY --from=build /build/app/dist/client.js /srv/console/\n": "",
  "COPY --from=build /build/app/dist/server.mjs ./\n": "COPY app/dist/server.mjs ./\n",
} as const;

export function writeImageContext(root: string, folder: string): void {
  const dist = path.join(folder, "app/dist");
  mkdirSync(dist, { recursive: true });
  execFileSync(process.execPath, [path.join(root, "app/build.ts"), dist], { stdio: "pipe" });
  // The server finds the client there, in the image and on a user's machine.
  renameSync(path.join(dist, "client.js"), path.join(folder, "console/client.js"));
  writeFileSync(path.join(folder, ".dockerignore"), DOCKERIGNORE);
  writeFileSync(
    path.join(folder, "app/Dockerfile"),
    withoutBuild(readFileSync(path.join(root, "app/Dockerfile"), "utf8")),
  );
}

/** Returns the last stage of the Dockerfile, which copies the built files. @throws {Error} if it copies other files. */
function withoutBuild(dockerfile: string): string {
  let stage = dockerfile.slice(dockerfile.lastIndexOf("\nFROM ") + 1);
  for (const [from, to] of Object.entries(COPIES)) {
    if (!stage.includes(from)) throw new Error(`app/Dockerfile does not contain ${JSON.stringify(from)}.`);
    stage = stage.replace(from, to);
  }
  if (stage.includes("--from="))
    throw new Error("app/Dockerfile copies files that the npm package does not have.");
  return stage;
}
