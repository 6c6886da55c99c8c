import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { COMPONENT_TYPE } from "./selectService.ts";

/** The output of the stack for clients; programs of users can give it any other name. */
const USUAL_NAME = "websocketUrl";

/**
 * The URL at which clients of the deployed stack connect; `undefined` if no output is one. The URL of the component comes first, then
 * the names of declared edges.
 */
export function findWebSocketUrl({ outputs, resources }: DeclaredGraph): URL | undefined {
  const ofComponents = resources.filter(({ type }) => type === COMPONENT_TYPE).map(({ outputs }) => outputs);
  const [url] = webSocketUrls(ofComponents.map((registered) => registered[USUAL_NAME]));
  if (url !== undefined) return url;
  const urls = webSocketUrls([outputs[USUAL_NAME], ...Object.values(outputs)]);
  const hosts = new Set(
    resources.flatMap(({ outputs: { domainName, dnsName } }) =>
      [domainName, dnsName].flatMap((host) => (typeof host === "string" ? [host.toLowerCase()] : [])),
    ),
  );
  return urls.find(({ hostname }) => hosts.has(hostname)) ?? urls[0];
}

function webSocketUrls(values: readonly unknown[]): readonly URL[] {
  return values
    .flatMap((value) => (typeof value === "string" ? (URL.parse(value) ?? []) : []))
    .filter(({ protocol }) => ["ws:", "wss:"].includes(protocol));
}
