/** Rules on an existing listener, which the graph does not have. */
import assert from "node:assert/strict";
import { existingLoadBalancer, loadBalancerArnOf } from "../../../infra/evaluation/existingResources.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { atSuiteEnd } from "../../support/atSuiteEnd.ts";
import { ask, connect, refusedUpgrade } from "../support/clients.ts";
import { resource, SECRET, SECRET_HEADER, WITH_SECRET, wholePath } from "../support/graph.ts";
import { running, type StackFixture } from "../support/stack.ts";

const LISTENER_ARN =
  "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210";
const LOAD_BALANCER_ARN = loadBalancerArnOf(LISTENER_ARN);
const DNS_NAME = String(existingLoadBalancer(LOAD_BALANCER_ARN)["dnsName"]);

/** What the stack does not declare. */
const OMITTED = [
  "aws:lb/loadBalancer:LoadBalancer",
  "aws:lb/listener:Listener",
  "aws:lb/listenerRule:ListenerRule",
];
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";

function ruleFor(condition: Readonly<Record<string, unknown>>): DeclaredResource {
  return resource("aws:lb/listenerRule:ListenerRule", "shared-rule", {
    listenerArn: LISTENER_ARN,
    priority: 200,
    conditions: [condition],
    actions: [{ type: "forward", targetGroupArn: "arn:group" }],
  });
}

const FOR_EDGE = ruleFor({ httpHeader: { httpHeaderName: SECRET_HEADER, values: [SECRET] } });
const FOR_HOST = ruleFor({ hostHeader: { values: ["ws.example.com"] } });

function without(graph: DeclaredGraph, ...types: readonly string[]): DeclaredGraph {
  return { ...graph, resources: graph.resources.filter(({ type }) => !types.includes(type)) };
}

function behindEdge(
  origin: Readonly<Record<string, unknown>>,
  ...others: readonly DeclaredResource[]
): DeclaredGraph {
  const header = [{ name: SECRET_HEADER, value: SECRET }];
  const graph = without(
    wholePath({ distribution: { origins: [{ originId: "balancer", customHeaders: header, ...origin }] } }),
    ...OMITTED,
  );
  return { ...graph, resources: [...graph.resources, FOR_EDGE, ...others] };
}

const EDGES: Readonly<Record<string, DeclaredGraph>> = {
  "by HTTP": behindEdge({
    domainName: DNS_NAME,
    customOriginConfig: { originProtocolPolicy: "http-only", httpPort: 443, httpsPort: 443 },
  }),
  "by HTTPS": behindEdge({
    domainName: "lb.example.com",
    customOriginConfig: { originProtocolPolicy: "https-only", httpPort: 80, httpsPort: 443 },
  }),
  "through a VPC origin": behindEdge(
    { domainName: DNS_NAME, vpcOriginConfig: { vpcOriginId: "vpc-origin" } },
    resource("aws:cloudfront/vpcOrigin:VpcOrigin", "vpc-origin", {
      vpcOriginEndpointConfig: {
        arn: LOAD_BALANCER_ARN,
        originProtocolPolicy: "http-only",
        httpPort: 443,
        httpsPort: 443,
      },
    }),
  ),
};

describe("an existing listener", () => {
  for (const [protocol, graph] of Object.entries(EDGES)) {
    it(`forwards requests with the secret header, which reach it ${protocol}`, async () => {
      await using fixture = await running(graph);

      using client = await connect(fixture.urls.websocket);
      assert.ok(client.pid > 0);
    });
  }

  it("refuses requests without the secret header", async () => {
    await using fixture = await running(EDGES["by HTTP"] ?? wholePath());
    const { loadBalancer } = fixture.urls;

    assert.equal((await ask(loadBalancer)).status, 404);
    assert.equal(await refusedUpgrade(`${loadBalancer.replace("http", "ws")}/chat`), 404);
    assert.equal((await ask(loadBalancer, { headers: WITH_SECRET })).status, 200);
  });

  describe("for clients", () => {
    let fixture: StackFixture;

    before(async function () {
      const graph = without(wholePath(), ...OMITTED, DISTRIBUTION);
      fixture = await running({ ...graph, resources: [...graph.resources, FOR_HOST] });
      atSuiteEnd(this, () => fixture.stack.close());
    });

    it("terminates TLS, and forwards requests to the domain and to localhost", async () => {
      using client = await connect(fixture.urls.websocket);
      assert.ok(client.pid > 0);
      using named = await connect(fixture.urls.websocket, { Host: "ws.example.com" });
      assert.ok(named.pid > 0);
      assert.equal(await refusedUpgrade(fixture.urls.websocket, { Host: "other.example.com" }), 404);
    });

    it("is reported with what it does in AWS, and not here", async () => {
      const { reason, names } = await fixture.next("unsupported");
      assert.deepEqual(names, ["shared-rule"]);
      assert.match(reason, /^the listener is not part of the stack: its other rules/);
    });
  });
});
