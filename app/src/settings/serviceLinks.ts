/**
 * Variables that a platform, such as Kubernetes, sets in every container for each of its services. If a service has a name such
 * as `websocket`, these variables look like settings of this server.
 * @see https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
 */

const ADDRESS = /^(?:tcp|udp|sctp):\/\//;
const PORT_SUFFIX = "_PORT";

/** The part of a variable's name after the name of the service. */
const LINK =
  /^_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

/**
 * Returns the names of such variables. A service is recognized by the address in its variable `…_PORT`.
 * @param prefix prefix of the variables that are considered.
 */
export function serviceLinks(
  environment: Readonly<Record<string, string | undefined>>,
  prefix: string,
): readonly string[] {
  const names = Object.keys(environment).filter((name) => name.startsWith(prefix));
  const services = names
    .filter((name) => name.endsWith(PORT_SUFFIX) && ADDRESS.test(environment[name] ?? ""))
    .map((name) => name.slice(0, -PORT_SUFFIX.length));
  return names.filter((name) =>
    services.some((service) => name.startsWith(service) && LINK.test(name.slice(service.length))),
  );
}
