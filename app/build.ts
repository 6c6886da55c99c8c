/**
 * Bundles the server into `app/dist/server.mjs`, which needs only Node, and the client for browsers into
 * `app/dist/client.js`.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { bundleClient } from "./src/http/clientScript.ts";

const inApp = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [inApp("src/main.ts")],
  outfile: inApp("dist/server.mjs"),
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
});

await writeFile(inApp("dist/client.js"), await bundleClient(inApp("../client")));
