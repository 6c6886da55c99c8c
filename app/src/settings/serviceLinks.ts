/**
 * Variables that a platform sets in every container for each service beside it. If such a service has a name like
 * `websocket`, they look like settings of this server.
 * @see https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
 */

const ADDRESS = /^(?:tcp|udp|sctp):\/\//;
const PORT_SUFFIX = "_PORT";

/** What follows the service's name. */
const LINK =
  /^_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

/**
 * The names of such variables. A service is recognised by the address in its variable `…_PORT`.
 * @param prefix of the variables that matter.
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
