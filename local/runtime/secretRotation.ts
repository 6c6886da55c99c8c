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

/**
 * @param declared what the edge and the load balancers run with.
 * @returns a function that deploys the next generation; `undefined` if the stack has no origin secret.
 */
export function createSecretRotation(
  declared: SecretRotation,
  edge: RunningEdge,
  listeners: RunningListeners,
): (() => Promise<void>) | undefined {
  const next = ({ edge: sender, loadBalancers }: SecretRotation): SecretRotation | undefined =>
    rotateOriginSecret(sender, loadBalancers, randomBytes(SECRET_BYTES).toString("hex"));
  let current = declared;
  if (next(current) === undefined) return undefined;
  return async () => {
    const rotated = next(current);
    if (rotated === undefined) return;
    listeners.update(rotated.loadBalancers);
    await sleep(EDGE_UPDATE_MS);
    edge.update(rotated.edge);
    current = rotated;
  };
}
