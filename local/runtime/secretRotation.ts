/** Rotates the origin secret of the running edge and load balancers. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { rotateOriginSecret, type SecretRotation } from "../model/edge/originSecret.ts";
import type { RunningEdge } from "./edge.ts";
import type { RunningListeners } from "./listeners.ts";

/** Hexadecimal digits, because rules treat `*` and `?` as wildcards. */
const SECRET_BYTES = 32;
/** The time after which the edge changes. CloudFront needs minutes. */
const EDGE_UPDATE_MS = 1000;

export interface RunningSecretRotation {
  /** Deploys the next generation of the secret; `undefined` if the stack has no origin secret. */
  readonly rotate: (() => Promise<void>) | undefined;
  /** Replaces what is declared, with its secret. */
  update(declared: SecretRotation): void;
}

/** @param declared what the edge and the load balancers run with. */
export function createSecretRotation(
  declared: SecretRotation,
  edge: RunningEdge,
  listeners: RunningListeners,
): RunningSecretRotation {
  const next = ({ edge: sender, loadBalancers }: SecretRotation): SecretRotation | undefined =>
    rotateOriginSecret(sender, loadBalancers, randomBytes(SECRET_BYTES).toString("hex"));
  let current = declared;

  async function rotate(): Promise<void> {
    const before = current;
    const rotated = next(before);
    if (rotated === undefined) return;
    listeners.update(rotated.loadBalancers);
    await sleep(EDGE_UPDATE_MS);
    // An update has replaced both meanwhile.
    if (current !== before) return;
    edge.update(rotated.edge);
    current = rotated;
  }

  return {
    rotate: next(current) === undefined ? undefined : rotate,
    update(updated) {
      current = updated;
      listeners.update(updated.loadBalancers);
      edge.update(updated.edge);
    },
  };
}
