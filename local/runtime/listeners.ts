/** All emulated listeners, with their local ports. */
import type { LocalCertificate } from "./network/certificate.ts";
import type { Exchange } from "./network/exchange.ts";
import type { ListenPort, ServerAddress } from "./network/listen.ts";
import type { Impairment } from "./network/impairment.ts";
import { startListener } from "./loadBalancer.ts";
import type { DeclaredListener } from "../model/loadBalancer/listener.ts";
import type { DeclaredLoadBalancer } from "../model/loadBalancer/loadBalancer.ts";
import type { Targets } from "./tasks/targets.ts";

export interface ListenersOptions {
  readonly loadBalancers: readonly DeclaredLoadBalancer[];
  /** Target groups by ARN. */
  readonly targets: ReadonlyMap<string, Targets>;
  readonly certificate: LocalCertificate;
  /** The port of the HTTPS listener, if the load balancer is the edge. */
  readonly edgePort: ListenPort | undefined;
  /** The port of the first other listener. The next listeners have the next ports. */
  readonly listenPort: ListenPort;
  /** Faults of the clients' connections, if the load balancer is the edge. */
  readonly impairment: Impairment;
  readonly flushMs: number;
}

export interface RunningListener {
  readonly loadBalancer: DeclaredLoadBalancer;
  readonly listener: DeclaredListener;
  readonly address: ServerAddress;
  /** Handles an exchange that a proxy of this process passes on, as if it came by a connection without TLS. */
  readonly handle: (exchange: Exchange) => void;
}

export interface RunningListeners {
  readonly running: readonly RunningListener[];
  /** Applies the rules and the header attributes of the same load balancers to later requests. */
  update(loadBalancers: readonly DeclaredLoadBalancer[]): void;
  close(): Promise<void>;
}

/** @throws {ExpectedError} if a port is taken. No listener is left open then. */
export async function startListeners(options: ListenersOptions): Promise<RunningListeners> {
  const { loadBalancers, targets, certificate, edgePort, listenPort, impairment, flushMs } = options;
  await using starting = new AsyncDisposableStack();
  const running: RunningListener[] = [];
  const updates: RunningListeners["update"][] = [];
  let { port } = listenPort;

  function listenPortOf(
    { internal }: DeclaredLoadBalancer,
    { protocol }: DeclaredListener,
  ): ListenPort | "private" {
    if (internal) return "private";
    if (edgePort !== undefined && protocol === "HTTPS") return edgePort;
    return { ...listenPort, port: port === 0 ? 0 : port++ };
  }

  for (const loadBalancer of loadBalancers) {
    for (const listener of loadBalancer.listeners) {
      const started = await startListener({
        loadBalancer,
        listener,
        targets,
        certificate,
        listenPort: listenPortOf(loadBalancer, listener),
        localPort(declared) {
          const address = running.find(
            (other) => other.loadBalancer === loadBalancer && other.listener.port === declared,
          )?.address;
          return address !== undefined && "port" in address ? address.port : declared;
        },
        impairment: edgePort === undefined ? undefined : impairment,
        flushMs,
      });
      updates.push((updated) => {
        const owner = updated.find(({ arn }) => arn === loadBalancer.arn);
        const same = owner?.listeners.find(({ name }) => name === listener.name);
        if (owner !== undefined && same !== undefined) started.update(owner, same);
      });
      starting.defer(() => started.close());
      running.push({ loadBalancer, listener, address: started.address, handle: started.handle });
    }
  }
  const listening = starting.move();
  return {
    running,
    update(updated) {
      for (const update of updates) update(updated);
    },
    close: () => listening.disposeAsync(),
  };
}
