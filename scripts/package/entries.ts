import packageFile from "../../package.json" with { type: "json" };

/** The modules that a program can import from the npm package, by subpath. The package also exports its package.json. */
export const EXPORTS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(packageFile.exports).filter(([, file]) => file.endsWith(".ts")),
);

/** The module of the subpath `.`. */
export const MAIN = packageFile.exports["."];

/** The module of the command. */
export const COMMAND = "./bin/pulumi-websocket-server.ts";
