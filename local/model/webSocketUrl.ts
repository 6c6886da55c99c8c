import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";

/** The output of the stack for clients; programs of users can give it any other name. */
const USUAL_NAME = "websocketUrl";

/** The URL at which clients of the deployed stack connect; `undefined` if no output is one. The names of declared edges come first. */
export function findWebSocketUrl({ outputs, resources }: DeclaredGraph): URL | undefined {
  const urls = [outputs[USUAL_NAME], ...Object.values(outputs)]
    .flatMap((value) => (typeof value === "string" ? (URL.parse(value) ?? []) : []))
    .filter(({ protocol }) => ["ws:", "wss:"].includes(protocol));
  const hosts = new Set(
    resources.flatMap(({ outputs: { domainName, dnsName } }) =>
      [domainName, dnsName].flatMap((host) => (typeof host === "string" ? [host.toLowerCase()] : [])),
    ),
  );
  return urls.find(({ hostname }) => hosts.has(hostname)) ?? urls[0];
}
