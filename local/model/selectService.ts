/** The part of a declared graph that belongs to one of its services. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type DeclaredGraph, type DeclaredResource, findResources } from "../../infra/evaluation/graph.ts";
import { SERVICE_TYPE } from "./service.ts";

/** The component that contains everything of a service. */
export const COMPONENT_TYPE = "websocket:index:WebSocketService";

/**
 * Removes the other services, everything of their components, and what depends on them.
 * @param named name of the component or of the service. @default the only service
 * @throws {ExpectedError} that lists the services, if there are several and none is named, none has the name, or two have the same
 * name.
 */
export function selectService(graph: DeclaredGraph, named?: string): DeclaredGraph {
  const services = findResources(graph, SERVICE_TYPE)
    .map((service) => {
      const component = ancestorsOf(graph, service).find(({ type }) => type === COMPONENT_TYPE);
      return { service, root: component ?? service, isOurs: component !== undefined };
    })
    // The fix suggests the first one.
    .toSorted((a, b) => Number(b.isOurs) - Number(a.isOurs));
  if (named === undefined && services.length <= 1) return graph;
  const names = services.map(({ root }) => root.name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) {
    throw new ExpectedError(
      `Stack ${graph.stack}: got several services with the name ${repeated}; expected unique names. Fix: rename one of them in the program`,
    );
  }
  const chosen = services.find(({ service, root }) => [service.name, root.name].includes(named ?? ""));
  if (chosen === undefined) {
    throw new ExpectedError(
      `\`--service\`: got ${named ?? "nothing"}; expected one of the services of stack ${graph.stack}: ${names.join(", ") || "none"}.` +
        (names[0] === undefined ? "" : ` Fix: pass \`--service ${names[0]}\``),
    );
  }
  const others = services.filter(({ root }) => root !== chosen.root).map(({ root }) => root.urn);
  const removed = new Set(others);
  const isRemoved = (resource: DeclaredResource): boolean =>
    [resource, ...ancestorsOf(graph, resource)].some(({ urn }) => removed.has(urn)) ||
    resource.dependencies.some((urn) => removed.has(urn));
  // A resource is registered after those on which it depends.
  const resources = graph.resources.filter((resource) => {
    if (!isRemoved(resource)) return true;
    removed.add(resource.urn);
    return false;
  });
  return { ...graph, resources };
}

/** From the parent upwards. */
function ancestorsOf(graph: DeclaredGraph, { parent }: DeclaredResource): readonly DeclaredResource[] {
  const found = graph.resources.find(({ urn }) => urn === parent);
  return found === undefined ? [] : [found, ...ancestorsOf(graph, found)];
}
