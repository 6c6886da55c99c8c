/** The server as a library: the npm package exports this as `pulumi-websocket-server/server`. */
export { ExpectedError } from "./settings/expectedError.ts";
export * from "./handlers/index.ts";
export { fromEnvironment, SettingsError, toEnvironment } from "./settings/environment.ts";
export type { Settings } from "./settings/settings.ts";
export { startServer } from "./startServer.ts";
export type { StartedServer, StartServerArgs } from "./startServer.ts";
