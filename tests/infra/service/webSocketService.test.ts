/** The component in a program of its own. The stacks of this repository, which use it too, have the other tests. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { WebSocketService } from "../../../infra/index.ts";
import type { WebSocketServiceArgs } from "../../../infra/index.ts";
import { findViolations } from "../../../policy/limits/violations.ts";
import { declare } from "./support.ts";
import type { Registered } from "./support.ts";

/** Pulumi appends a hyphen and seven digits to a logical name. */
const SUFFIX = "-0123456";

const LONGEST_NAME = "a-very-long-name-abc";

const VARIANTS: readonly WebSocketServiceArgs[] = [
  { access: "open" },
  { access: "open", originAccess: "private", originTls: "origin.example.com", hostedZoneId: "Z0123456789" },
  { access: "open", edge: "load-balancer", domain: "ws.example.com", hostedZoneId: "Z0123456789" },
  {
    edge: "api-gateway",
    apiGatewayUrl: "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod",
  },
];

describe("WebSocketService", () => {
  it("declares several services in one stack, without a common name", async () => {
    const resources = await declare(() => {
      for (const [index, args] of VARIANTS.entries()) new WebSocketService(`service-${index}`, args);
    });
    assert.ok(resources.length > 150);
    const keys = resources.map(({ type, name }) => `${type} ${name}`);
    assert.deepEqual(
      keys.filter((key, index) => keys.indexOf(key) !== index),
      [],
    );
    // Names of resources without a parent, such as providers, must be unique, too.
    for (const { type, name } of resources) assert.match(name, /\bservice-\d/, type);
  });

  it("has distinct metrics for each service", async () => {
    const resources = await declare(() => {
      for (const name of ["chat", "news"]) new WebSocketService(name, { access: "open" });
    });
    assert.deepEqual(
      resources
        .filter(({ name }) => name.endsWith("-scaling-connections"))
        .map(({ inputs }) => dimensionOf(inputs)),
      ["shop-test-chat", "shop-test-news"],
    );
  });

  for (const name of ["a", LONGEST_NAME]) {
    it(`has physical names that AWS accepts if its name has ${name.length} characters`, async () => {
      for (const args of VARIANTS) {
        const resources = await declare(() => {
          new WebSocketService(name, args);
        });
        for (const { type, name: logical, inputs } of resources) {
          const violations = findViolations(type, { name: `${logical}${SUFFIX}`, ...inputs });
          assert.deepEqual([...violations], [], logical);
        }
        // AWS documents no pattern for these in the schemas: 40 characters for the ID of a user, 32 for a load balancer.
        for (const { inputs, name: logical } of ofType(resources, "aws:elasticache/user:User")) {
          assert.ok(String(inputs["userId"]).length <= 40, `${String(inputs["userId"])} of ${logical}`);
        }
        for (const { name: logical } of [
          ...ofType(resources, "aws:lb/loadBalancer:LoadBalancer"),
          ...ofType(resources, "aws:lb/targetGroup:TargetGroup"),
        ]) {
          assert.ok(`${logical}${SUFFIX}`.length <= 32, logical);
        }
      }
    });
  }

  it("keeps load balancers with different clients apart, also if their names are shortened", async () => {
    const names: string[] = [];
    for (const args of VARIANTS.slice(0, 3)) {
      const resources = await declare(() => {
        new WebSocketService(LONGEST_NAME, args);
      });
      names.push(...ofType(resources, "aws:lb/loadBalancer:LoadBalancer").map(({ name }) => name));
    }
    assert.equal(new Set(names).size, 3);
  });

  it("accepts IDs that are outputs of other resources", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", {
        access: "open",
        domain: "ws.example.com",
        hostedZoneId: pulumi.output(Promise.resolve("Z0123456789")),
      });
    });
    const records = ofType(resources, "aws:route53/record:Record");
    assert.equal(records.length, 3);
    for (const { inputs } of records) assert.equal(inputs["zoneId"], "Z0123456789");
  });
});

describe("the token settings of WebSocketService", () => {
  const issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example";

  it("accept outputs of other resources, which the tasks receive", async () => {
    const resources = await declare(() => {
      const pool = pulumi.output(Promise.resolve(issuer));
      new WebSocketService("chat", {
        access: "token",
        jwksUrl: pulumi.interpolate`${pool}/.well-known/jwks.json`,
        jwtIssuer: pool,
        jwtAudience: "chat",
      });
    });
    const [service] = ofType(resources, "awsx:ecs:FargateService");
    const { container } = service?.inputs["taskDefinitionArgs"] as {
      readonly container: {
        readonly environment: readonly { readonly name: string; readonly value: string }[];
      };
    };
    const variables = new Map(container.environment.map(({ name, value }) => [name, value]));
    assert.equal(variables.get("WEBSOCKET_JWKS_URL"), `${issuer}/.well-known/jwks.json`);
    assert.equal(variables.get("WEBSOCKET_JWT_ISSUER"), issuer);
    assert.equal(variables.get("WEBSOCKET_JWT_AUDIENCE"), "chat");
  });

  it("are still required together", async () => {
    await assert.rejects(
      declare(() => {
        new WebSocketService("chat", {
          access: "token",
          jwksUrl: pulumi.output(issuer),
          jwtAudience: "chat",
        });
      }),
      /`jwtIssuer`: got nothing/,
    );
  });
});

function ofType(resources: readonly Registered[], wanted: string): readonly Registered[] {
  return resources.filter(({ type }) => type === wanted);
}

function dimensionOf(inputs: Registered["inputs"]): unknown {
  const [, value] = /"value":"([^"]+)"/.exec(JSON.stringify(inputs)) ?? [];
  return value;
}
