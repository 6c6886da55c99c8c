/** The modules that a program can import from the npm package, and its command. */
export const EXPORTS = {
  ".": "infra/index.ts",
  "./client": "client/src/index.ts",
  "./policy": "policy/policies.ts",
  "./server": "app/src/index.ts",
  "./testing": "infra/evaluation/mocks.ts",
} as const;

export const COMMAND = "bin/pulumi-websocket-server.ts";
