/** Every declared listener, each at its place on this machine. */
import type { Certificate } from "./network/certificate.ts";
import type { Address, Door } from "./network/listen.ts";
import { startLoadBalancer } from "./loadBalancer.ts";
import type { Listener } from "../model/loadBalancer/listener.ts";
import type { LoadBalancer } from "../model/loadBalancer/loadBalancer.ts";
import type { Targets } from "./tasks/targets.ts";

export interface ListenersOptions {
  readonly loadBalancers: readonly LoadBalancer[];
  /** By ARN. */
  readonly targets: ReadonlyMap<string, Targets>;
  readonly certificate: Certificate;
  /** Where the load balancer is its own edge: of its HTTPS listener. */
  readonly edgeDoor: Door | undefined;
  /** Of the first other listener, the next ones follow it. */
  readonly door: Door;
  readonly flushMs: number;
}

export interface RunningListener {
  readonly loadBalancer: LoadBalancer;
  readonly listener: Listener;
  readonly address: Address;
}

export interface Listeners {
  readonly running: readonly RunningListener[];
  close(): Promise<void>;
}

/** @throws {Error} where a port is taken; then none is left open. */
export async function startListeners(options: ListenersOptions): Promise<Listeners> {
  const { loadBalancers, targets, certificate, edgeDoor, door, flushMs } = options;
  await using starting = new AsyncDisposableStack();
  const running: RunningListener[] = [];
  let { port } = door;

  function doorOf({ internal }: LoadBalancer, { protocol }: Listener): Door | "private" {
    if (internal) return "private";
    if (edgeDoor !== undefined && protocol === "HTTPS") return edgeDoor;
    return { ...door, port: port === 0 ? 0 : port++ };
  }

  for (const loadBalancer of loadBalancers) {
    for (const listener of loadBalancer.listeners) {
      const started = await startLoadBalancer({
        loadBalancer,
        listener,
        targets,
        certificate,
        door: doorOf(loadBalancer, listener),
        localPort(declared) {
          const place = running.find(
            (other) => other.loadBalancer === loadBalancer && other.listener.port === declared,
          )?.address;
          return place !== undefined && "port" in place ? place.port : declared;
        },
        flushMs,
      });
      starting.defer(() => started.close());
      running.push({ loadBalancer, listener, address: started.address });
    }
  }
  const listening = starting.move();
  return { running, close: () => listening.disposeAsync() };
}
