/**
 * `node app/build.ts [FOLDER]` bundles the server into `server.mjs`, which needs only Node, and the client for browsers into
 * `client.js`. The default folder is `app/dist`.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { bundleClient } from "./src/http/clientScript.ts";

const inApp = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const folder = process.argv[2] ?? inApp("dist");

await build({
  entryPoints: [inApp("src/main.ts")],
  outfile: path.join(folder, "server.mjs"),
  bundle: true,
  external: ["esbuild"],
  platform: "node",
  target: "node24",
  format: "esm",
  // Identifiers are not minified, so that stack traces are readable.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  // CommonJS dependencies call `require` for built-in modules of Node.js. An ES module has no `require`.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
  logLevel: "info",
}).catch(() => {
  // esbuild has printed the errors.
  process.exit(1);
});

await writeFile(path.join(folder, "client.js"), await bundleClient(inApp("../client")));
