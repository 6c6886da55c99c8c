/** A target group at work: who is registered, how healthy each is, and who takes the next request. */
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { type Health, INITIAL_HEALTH, judge } from "../../model/health.ts";
import {
  chooseTarget,
  type HealthCheck,
  matchesStatus,
  type TargetGroup,
} from "../../model/loadBalancer/targetGroup.ts";

/** Checks of a target whose health is still unknown run nearly back to back: nobody waits for an interval here. */
const INITIAL_CHECK_SPACING_MS = 100;

export interface Target {
  readonly port: number;
  readonly healthy: boolean;
  /** Requests and upgraded connections that are open now. */
  readonly outstanding: number;
  /** Requests since the registration, upgrades included. */
  readonly requests: number;
  /** Counts one request in; the result counts it out, once. */
  begin(): () => void;
}

export interface Registration {
  readonly target: Target;
  /**
   * Takes the target out for new requests, and resolves when its open ones are over, or the declared delay is
   * ("if a deregistering target has no in-flight requests and no active connections, Elastic Load Balancing
   * immediately completes the deregistration process"). Repeated calls share one deregistration.
   */
  deregister(): Promise<void>;
  /** Takes the target out at once, and ends a deregistration that is under way. Idempotent. */
  drop(): void;
}

export interface Targets {
  readonly group: TargetGroup;
  register(port: number, onHealth: (health: Health) => void): Registration;
  /** `undefined` where nothing is registered. */
  choose(): Target | undefined;
}

export function createTargets(group: TargetGroup): Targets {
  const registered = new Set<Target>();
  let turn = 0;

  function register(port: number, onHealth: (health: Health) => void): Registration {
    let state = INITIAL_HEALTH;
    let outstanding = 0;
    let requests = 0;
    let deregistering: Promise<void> | undefined;
    const gone = new AbortController();
    const released = Promise.withResolvers<undefined>();

    const target: Target = {
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
      begin() {
        outstanding += 1;
        requests += 1;
        let over = false;
        return () => {
          if (over) return;
          over = true;
          outstanding -= 1;
          if (outstanding === 0 && gone.signal.aborted) released.resolve(undefined);
        };
      },
    };

    async function watch(signal: AbortSignal): Promise<void> {
      const { intervalSeconds, thresholds } = group.healthCheck;
      const intervalMs = intervalSeconds * 1000;
      // A target is checked more often at first, so that it is healthy soon. Failures count only at the declared interval.
      let failsFrom = performance.now() + intervalMs;
      for (;;) {
        const passed = await passes(group.healthCheck, port, signal);
        if (signal.aborted) return;
        const before = state.health;
        if (passed || before !== "initial" || performance.now() >= failsFrom) {
          state = judge(state, passed, thresholds);
          failsFrom += intervalMs;
        }
        if (state.health !== before) onHealth(state.health);
        const pause =
          state.health === "initial" ? Math.min(INITIAL_CHECK_SPACING_MS, intervalMs) : intervalMs;
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
    void watch(gone.signal);
    return {
      target,
      deregister() {
        deregistering ??= deregister();
        return deregistering;
      },
      drop,
    };
  }

  return {
    group,
    register,
    choose() {
      return chooseTarget(group.algorithm, [...registered], turn++);
    },
  };
}

async function passes(check: HealthCheck, port: number, gone: AbortSignal): Promise<boolean> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(check.timeoutSeconds * 1000)]);
  const headers = { "User-Agent": "ELB-HealthChecker/2.0" };
  return new Promise((resolve) => {
    get({ host: LOOPBACK, port, path: check.path, headers, agent: false, signal }, (response) => {
      response.resume();
      resolve(matchesStatus(check.matcher, response.statusCode ?? 0));
    }).on("error", () => {
      resolve(false);
    });
  });
}
