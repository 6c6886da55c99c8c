import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";

/** The output of the stack for clients; programs of users can give it any other name. */
const USUAL_NAME = "websocketUrl";

/** The URL at which clients of the deployed stack connect; `undefined` if no output is one. */
export function findWebSocketUrl({ outputs }: DeclaredGraph): URL | undefined {
  const values = [outputs[USUAL_NAME], ...Object.values(outputs)];
  return values
    .flatMap((value) => (typeof value === "string" ? (URL.parse(value) ?? []) : []))
    .find(({ protocol }) => ["ws:", "wss:"].includes(protocol));
}
