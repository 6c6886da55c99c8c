/** Checks after each call that clients can reach the service. */
import assert from "node:assert/strict";
import { at, list, text } from "../../support/values.ts";
import type { Call, Properties } from "./cloud.ts";
import {
  DISTRIBUTION,
  LISTENER,
  LISTENER_RULE,
  LOAD_BALANCER,
  RECORD,
  SERVICE,
  VPC_ORIGIN,
} from "./types.ts";

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Properties;
  /** With its id. */
  readonly outputs: Properties;
}

/**
 * Follows the route of a request: from a distribution to a load balancer, through a rule that accepts the header of the
 * distribution, to a target group with a service. While a distribution is updated, its edge locations use the old or the new
 * configuration. After the call they use the new one.
 */
export class Traffic {
  /** By id. */
  readonly #resources = new Map<string, Resource>();
  /** Names that only CloudFront uses. */
  readonly #originNames = new Set<string>();

  /** @throws {assert.AssertionError} at the first call after which a request cannot reach a service. */
  follow(changes: readonly Call[]): void {
    // Without an entry point there are no requests.
    const closed = new Set(changes.filter(({ method }) => method === "delete").map(({ id }) => id));
    for (const { method, type, inputs } of changes) {
      if (type === DISTRIBUTION && method !== "delete")
        this.#originNames.add(text(inputs, "origins[0].domainName"));
    }
    for (const { method, type, name, id = "", inputs = {}, outputs = {} } of changes) {
      const before = this.#resources.get(id);
      const now = { type, name, inputs, outputs: { ...before?.outputs, ...outputs, id } };
      if (method === "delete") this.#resources.delete(id);
      else this.#resources.set(id, now);

      this.#checkTargetGroups();
      const entrances = [...this.#resources.values()].filter(
        ({ outputs: { id: own } }) => !closed.has(String(own)),
      );
      for (const entrance of before === undefined ? entrances : [...entrances, before]) {
        if (closed.has(String(entrance.outputs["id"]))) continue;
        if (entrance.type === DISTRIBUTION) this.#followDistribution(entrance, `${method} ${type} ${name}`);
        if (entrance.type === RECORD) this.#followRecord(entrance, `${method} ${type} ${name}`);
      }
    }
  }

  #followDistribution({ name, inputs }: Resource, when: string): void {
    const origin = at(inputs, "origins[0]");
    if (text(origin, "domainName").includes(".execute-api.")) return;
    const where = `after ${when}: distribution ${name}`;

    const loadBalancer = this.#loadBalancerOf(origin);
    assert.ok(loadBalancer, `${where} finds no load balancer`);
    const header = at(origin, "customHeaders[0]");
    const targetGroups = this.#of(LISTENER, { loadBalancerArn: loadBalancer.outputs["arn"] })
      .flatMap((listener) => this.#of(LISTENER_RULE, { listenerArn: listener.outputs["arn"] }))
      .filter((rule) => accepts(rule, text(header, "name"), text(header, "value")))
      .map((rule) => text(rule.inputs, "actions[0].targetGroupArn"));
    assert.ok(targetGroups.length > 0, `${where} is refused`);
    assert.ok(
      targetGroups.some((arn) => this.#isServed(arn)),
      `${where} finds no tasks`,
    );
  }

  /** Follows a record to a distribution or to a load balancer that allows all clients. */
  #followRecord({ name, inputs }: Resource, when: string): void {
    if (inputs["aliases"] === undefined) return;
    const where = `after ${when}: record ${name}`;
    const target = text(inputs, "aliases[0].name");
    const distribution = this.#of(DISTRIBUTION, {}).find(({ outputs }) => outputs["domainName"] === target);
    if (distribution !== undefined) {
      const { aliases = [] } = distribution.inputs;
      // The inputs of the provider.
      const known = (aliases as readonly string[]).includes(text(inputs, "name"));
      assert.ok(known, `${where} leads to a distribution that does not have the name`);
      return;
    }

    const loadBalancer = this.#of(LOAD_BALANCER, {}).find(({ outputs }) => outputs["dnsName"] === target);
    assert.ok(loadBalancer, `${where} leads nowhere`);
    if (this.#originNames.has(text(inputs, "name"))) return;
    const targetGroups = this.#of(LISTENER, { loadBalancerArn: loadBalancer.outputs["arn"] })
      .flatMap((listener) => list(listener.inputs, "defaultActions"))
      .filter((action) => text(action, "type") === "forward")
      .map((action) => text(action, "targetGroupArn"));
    assert.ok(targetGroups.length > 0, `${where} is refused`);
    assert.ok(
      targetGroups.every((arn) => this.#isServed(arn)),
      `${where} finds no tasks`,
    );
  }

  #loadBalancerOf(origin: unknown): Resource | undefined {
    const { vpcOriginConfig } = at(origin, "");
    if (vpcOriginConfig !== undefined) {
      const vpcOrigin = this.#resources.get(text(vpcOriginConfig, "vpcOriginId"));
      assert.equal(vpcOrigin?.type, VPC_ORIGIN);
      const arn = text(vpcOrigin.inputs, "vpcOriginEndpointConfig.arn");
      return this.#of(LOAD_BALANCER, {}).find(({ outputs }) => outputs["arn"] === arn);
    }
    const name = text(origin, "domainName");
    const [record] = this.#of(RECORD, { name });
    const dnsName = record === undefined ? name : text(record.inputs, "aliases[0].name");
    return this.#of(LOAD_BALANCER, {}).find(({ outputs }) => outputs["dnsName"] === dnsName);
  }

  /** Checks that a target group has one load balancer, as AWS requires. */
  #checkTargetGroups(): void {
    const users = new Map<unknown, unknown>();
    for (const { inputs } of this.#of(LISTENER_RULE, {})) {
      const targetGroup = text(inputs, "actions[0].targetGroupArn");
      const [listener] = this.#of(LISTENER, {}).filter(
        ({ outputs }) => outputs["arn"] === inputs["listenerArn"],
      );
      const loadBalancer = listener?.inputs["loadBalancerArn"];
      assert.equal(
        users.get(targetGroup) ?? loadBalancer,
        loadBalancer,
        "one target group, two load balancers",
      );
      users.set(targetGroup, loadBalancer);
    }
  }

  #isServed(targetGroupArn: string): boolean {
    return this.#of(SERVICE, {}).some(({ inputs }) =>
      list(inputs, "loadBalancers").some((one) => text(one, "targetGroupArn") === targetGroupArn),
    );
  }

  #of(type: string, inputs: Properties): readonly Resource[] {
    return [...this.#resources.values()].filter(
      (resource) =>
        resource.type === type &&
        Object.entries(inputs).every(([key, value]) => resource.inputs[key] === value),
    );
  }
}

/** Load balancers compare names and values of headers case-insensitively. */
function accepts({ inputs }: Resource, name: string, value: string): boolean {
  const { httpHeaderName, values } = at(inputs, "conditions[0].httpHeader");
  const accepted = values as readonly string[];
  return (
    String(httpHeaderName).toLowerCase() === name.toLowerCase() &&
    accepted.some((one) => one.toLowerCase() === value.toLowerCase())
  );
}
