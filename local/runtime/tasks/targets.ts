/** An emulated target group: the registered targets, their health, and the choice of a target for a request. */
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "../../../cli/loopback.ts";
import type { Headers } from "../../model/headers.ts";
import { hasCookie, setCookies } from "../../model/loadBalancer/stickyCookie.ts";
import { type Health, INITIAL_HEALTH, nextHealth } from "../../model/health.ts";
import {
  chooseTarget,
  type TargetHealthCheck,
  matchesStatus,
  type DeclaredTargetGroup,
} from "../../model/loadBalancer/targetGroup.ts";

/** While the health is unknown, checks run more often, so that a healthy target gets requests soon. */
const INITIAL_CHECK_INTERVAL_MS = 100;

const FAILS_ON_PURPOSE = "the health check fails on purpose";

export interface RegisteredTarget {
  readonly port: number;
  readonly healthy: boolean;
  /** Open requests and upgraded connections. */
  readonly outstanding: number;
  /** Requests since the registration, upgrades included. */
  readonly requests: number;
  /** Counts one open request. The returned function ends it, and is idempotent. */
  beginRequest(): () => void;
}

export interface TargetChoice {
  readonly target: RegisteredTarget;
  /** The headers that the load balancer adds to the response. */
  readonly responseHeaders: Headers;
}

/** The cookie of a sticky target group. */
const COOKIE = "AWSALB";

export interface Registration {
  readonly target: RegisteredTarget;
  /**
   * Stops new requests to the target. Resolves when its open requests have ended, or after the declared deregistration delay.
   * Repeated calls share one deregistration.
   * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
   */
  deregister(): Promise<void>;
  /** Removes the target, and completes a deregistration at once. Idempotent. */
  drop(): void;
  /** Whether every health check fails on purpose from now on. */
  setFailing(isFailing: boolean): void;
}

type OnTargetHealth = (health: Health, reason: string) => void;

export interface Targets {
  readonly group: DeclaredTargetGroup;
  /** Replaces the declared values, which have effect from the next health check, deregistration or choice. */
  update(group: DeclaredTargetGroup): void;
  /** Requests to all targets so far, upgrades included. */
  readonly requests: number;
  /** Healthy targets, or all registered ones if none is healthy: the targets that get requests. */
  readonly usable: number;
  /** @param onHealth called when the health changes. The reason is that of the last failed check. */
  register(port: number, onHealth: OnTargetHealth): Registration;
  /**
   * @param headers those of the request, whose cookie can name a target.
   * @returns `undefined` if no target is registered.
   */
  choose(headers?: Headers): TargetChoice | undefined;
}

export function createTargets(declared: DeclaredTargetGroup): Targets {
  let group = declared;
  const registered = new Set<RegisteredTarget>();
  let allRequests = 0;
  let turn = 0;

  function register(port: number, onHealth: OnTargetHealth): Registration {
    let state = INITIAL_HEALTH;
    let outstanding = 0;
    let requests = 0;
    let isFailing = false;
    let deregistering: Promise<void> | undefined;
    const gone = new AbortController();
    const released = Promise.withResolvers<undefined>();

    const target: RegisteredTarget = {
      port,
      get healthy() {
        return state.health === "healthy";
      },
      get outstanding() {
        return outstanding;
      },
      get requests() {
        return requests;
      },
      beginRequest() {
        outstanding += 1;
        requests += 1;
        allRequests += 1;
        let hasEnded = false;
        return () => {
          if (hasEnded) return;
          hasEnded = true;
          outstanding -= 1;
          if (outstanding === 0 && gone.signal.aborted) released.resolve(undefined);
        };
      },
    };

    async function checkHealth(signal: AbortSignal): Promise<void> {
      // While the health is unknown, failures count at the declared interval only.
      let failsFrom = performance.now() + group.healthCheck.intervalSeconds * 1000;
      let reason = "";
      for (;;) {
        const { intervalSeconds, thresholds } = group.healthCheck;
        const intervalMs = intervalSeconds * 1000;
        const failure = isFailing ? FAILS_ON_PURPOSE : await runCheck(group.healthCheck, port, signal);
        if (signal.aborted) return;
        reason = failure ?? reason;
        const passed = failure === undefined;
        const before = state.health;
        if (passed || before !== "initial" || performance.now() >= failsFrom) {
          state = nextHealth(state, passed, thresholds);
          failsFrom += intervalMs;
        }
        if (state.health !== before) onHealth(state.health, reason);
        const pause =
          state.health === "initial" ? Math.min(INITIAL_CHECK_INTERVAL_MS, intervalMs) : intervalMs;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }

    function drop(): void {
      registered.delete(target);
      gone.abort();
      released.resolve(undefined);
    }

    async function deregister(): Promise<void> {
      registered.delete(target);
      gone.abort();
      if (outstanding === 0) return;
      const delay = setTimeout(drop, group.deregistrationDelaySeconds * 1000);
      await released.promise;
      clearTimeout(delay);
    }

    registered.add(target);
    void checkHealth(gone.signal);
    return {
      target,
      deregister() {
        deregistering ??= deregister();
        return deregistering;
      },
      drop,
      setFailing(fails) {
        isFailing = fails;
      },
    };
  }

  return {
    get group() {
      return group;
    },
    update(next) {
      group = next;
    },
    get requests() {
      return allRequests;
    },
    get usable() {
      const healthy = [...registered].filter((target) => target.healthy).length;
      return healthy > 0 ? healthy : registered.size;
    },
    register,
    choose(headers = []) {
      const { algorithm, stickySeconds } = group;
      const sticky = [...registered].find(
        ({ healthy, port }) =>
          healthy && stickySeconds !== undefined && hasCookie(headers, COOKIE, String(port)),
      );
      const target = sticky ?? chooseTarget(algorithm, [...registered], turn++);
      if (target === undefined) return undefined;
      const responseHeaders =
        stickySeconds === undefined ? [] : setCookies(COOKIE, String(target.port), stickySeconds, Date.now());
      return { target, responseHeaders };
    },
  };
}

/** Sends one health check. @returns why it failed; `undefined` if it passed. */
function runCheck(
  { path, timeoutSeconds, matcher }: TargetHealthCheck,
  port: number,
  gone: AbortSignal,
): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const signal = AbortSignal.any([gone, timeout]);
  const headers = { "User-Agent": "ELB-HealthChecker/2.0" };
  return new Promise((resolve) => {
    get({ host: LOOPBACK, port, path, headers, agent: false, signal }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      const passes = matchesStatus(matcher, statusCode);
      resolve(passes ? undefined : `GET ${path} returned ${statusCode}; expected ${matcher}`);
    }).on("error", (error) => {
      const failure = timeout.aborted ? `timed out after ${timeoutSeconds} s` : `failed: ${error.message}`;
      resolve(`GET ${path} ${failure}`);
    });
  });
}
