/** Bundles the server into one file that needs nothing but Node: `app/dist/server.mjs`. */
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const inApp = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [inApp("src/main.ts")],
  outfile: inApp("dist/server.mjs"),
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  // Identifiers stay as they are, for readable stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  // Dependencies in CommonJS call `require` for Node's own modules, which an ES module does not have.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
  logLevel: "info",
});
