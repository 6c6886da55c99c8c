/** Relations between all resources of a stack: parents, providers, outputs, protection, retention, secrets. */
import assert from "node:assert/strict";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import { configDefinitions } from "../../../infra/config/definitions.ts";
import { findResource, findResources } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, text } from "../../support/values.ts";
import * as the from "./support.ts";

const SERVICE = "websocket:index:WebSocketService";
const SECRETS = ["websocket-origin-secret-1", "websocket-backplane-password-1"];
const API_KEY = "websocket-api-key-1";

for (const [stack, isProd] of [
  ["dev", false],
  ["prod", true],
] as const) {
  describe(`the stack ${stack}`, () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await declaredGraph(stack);
    });

    it("has every resource under a component, every component under the service, and providers under the stack", () => {
      const types = new Map(graph.resources.map(({ urn, type }) => [urn, type]));
      for (const { type, name, parent } of graph.resources) {
        if (type === "pulumi:pulumi:Stack") continue;
        const expected =
          type === SERVICE || type.startsWith("pulumi:providers:")
            ? "pulumi:pulumi:Stack"
            : type.startsWith("websocket:")
              ? SERVICE
              : "websocket:infra:";
        assert.ok(types.get(parent ?? "")?.startsWith(expected), `parent of ${type} ${name}`);
      }
    });

    it("manages every aws resource with one provider, which adds the default tags", () => {
      const { urn, id, inputs } = findResource(graph, "pulumi:providers:aws");
      const aws = graph.resources.filter(({ type }) => type.startsWith("aws:"));
      assert.ok(aws.length > 20);
      for (const { name, provider } of aws) assert.equal(provider, `${urn}::${id}`, name);
      assert.deepEqual(JSON.parse(text(inputs, "defaultTags")), {
        tags: { Project: "websocket", Stack: stack, ManagedBy: "pulumi" },
      });
    });

    it("has outputs for clients, backends and operators, and only the API key is a secret", () => {
      const { domainName } = findResource(graph, "aws:cloudfront/distribution:Distribution").outputs;
      const { imageUri, serviceName, readme, apiKey, ...outputs } = graph.outputs;
      assert.ok(imageUri !== undefined && serviceName !== undefined && readme !== undefined);
      assert.deepEqual(outputs, {
        clusterName: the.clusterOf(graph).outputs["name"],
        distributionDomainName: domainName,
        websocketUrl: `wss://${String(domainName)}/wss`,
        // Clients cannot connect to an internal load balancer.
        ...(!isProd && { loadBalancerDnsName: the.loadBalancerOf(graph).outputs["dnsName"] }),
      });
      assert.deepEqual(graph.secretOutputs, ["apiKey"]);
      assert.equal(apiKey, the.secretOf(graph, API_KEY));
      for (const secret of SECRETS) {
        assert.ok(!JSON.stringify(graph.outputs).includes(the.secretOf(graph, secret)), secret);
      }
    });

    it("passes secrets only to the resources that need them, marked as secret", () => {
      assert.deepEqual(
        [...SECRETS, API_KEY].map((secret) => the.secretHoldersOf(graph, secret)),
        [
          ["aws:cloudfront/distribution:Distribution", "aws:lb/listenerRule:ListenerRule"],
          ["aws:elasticache/user:User", "aws:ssm/parameter:Parameter"],
          ["aws:ssm/parameter:Parameter"],
        ],
      );
    });

    it(`${isProd ? "protects" : "does not protect"} the resources that carry client traffic`, () => {
      const isProtected = graph.resources.filter(({ options }) => options.protect).map(({ type }) => type);
      const carriers = [
        "aws:cloudfront/distribution:Distribution",
        "aws:elasticache/serverlessCache:ServerlessCache",
        "aws:lb/loadBalancer:LoadBalancer",
      ];
      assert.deepEqual(isProtected.sort(), isProd ? carriers : []);
    });

    it(`${isProd ? "keeps" : "deletes"} all logs and images with the stack`, () => {
      const data = graph.resources.filter(({ type }) => /^aws:(s3|ecr)\/|logGroup:/.test(type));
      assert.ok(data.length >= 8);
      for (const { name, options } of data) assert.equal(options.retainOnDelete, isProd, name);
      assert.equal(findResource(graph, "aws:s3/bucket:Bucket").inputs["forceDestroy"], !isProd);
      assert.equal(findResource(graph, "aws:ecr/repository:Repository").inputs["forceDelete"], !isProd);
      // The image remains in its repository for rollbacks.
      const image = findResource(graph, "awsx:ecr:Image");
      assert.equal(image.options.retainOnDelete, true);
      for (const resource of graph.resources) {
        if (data.includes(resource) || resource === image) continue;
        assert.equal(resource.options.retainOnDelete, false, resource.name);
      }
    });

    it(`has ${isProd ? "a warning, because it is protected and open" : "no warning"}`, () => {
      assert.equal(graph.warnings.length, isProd ? 1 : 0);
    });
  });
}

describe("the configuration of a stack", () => {
  it("has no key for a setting that is secret or that the edge determines", () => {
    const secrets = Object.entries(settingDefinitions).flatMap(([name, definition]) =>
      "secret" in definition ? [name] : [],
    );
    assert.ok(secrets.length > 0);
    for (const name of [...secrets, "trustedProxies"]) assert.ok(!(name in configDefinitions), name);
  });

  it("determines the properties of the resources", async () => {
    // Each value differs from the default and from the other values.
    const graph = await the.evaluateDev({
      "aws:region": "eu-west-1",
      access: "token",
      allowedOrigins: '["https://a.example","https://b.example"]',
      backplaneMaxEcpus: "3000",
      backplaneMaxGB: "3",
      cpu: "2048",
      deregistrationDelaySeconds: "7",
      idleTimeoutSeconds: "300",
      jwksUrl: "https://auth.example/keys",
      jwtAudience: "me",
      jwtIssuer: "https://auth.example",
      logRetentionDays: "30",
      maxTasks: "7",
      memoryMiB: "4096",
      minTasks: "2",
      originHeaderName: "X-Origin-Other",
      priceClass: "PriceClass_200",
      requestsPerTarget: "11",
      connectionsPerTask: "12",
      cpuPercent: "13",
      scaleInCooldownSeconds: "17",
      scaleOutCooldownSeconds: "14",
      stopTimeoutSeconds: "90",
    });
    assert.equal(findResource(graph, "pulumi:providers:aws").inputs["region"], "eu-west-1");
    assert.equal(at(the.containerOf(graph), "logConfiguration.options")["awslogs-region"], "eu-west-1");
    const { access, allowedOrigins, jwksUrl, jwtAudience, jwtIssuer } = the.serverSettingsOf(graph);
    assert.deepEqual(
      [access, allowedOrigins, jwksUrl, jwtAudience, jwtIssuer],
      [
        "token",
        ["https://a.example", "https://b.example"],
        "https://auth.example/keys",
        "me",
        "https://auth.example",
      ],
    );
    assert.deepEqual(the.cacheOf(graph).inputs["cacheUsageLimits"], {
      dataStorage: { maximum: 3, unit: "GB" },
      ecpuPerSeconds: [{ maximum: 3000 }],
    });
    const { cpu, memory } = the.taskDefinitionOf(graph);
    assert.deepEqual([cpu, memory, the.containerOf(graph)["stopTimeout"]], ["2048", "4096", 90]);
    assert.equal(the.targetGroupOf(graph).inputs["deregistrationDelay"], 7);
    assert.equal(the.loadBalancerOf(graph).inputs["idleTimeout"], 300);
    assert.equal(the.distributionOf(graph)["priceClass"], "PriceClass_200");
    assert.equal(text(the.ruleOf(graph), "conditions[0].httpHeader.httpHeaderName"), "X-Origin-Other");
    assert.equal(text(the.distributionOf(graph), "origins[0].customHeaders[0].name"), "X-Origin-Other");

    const { minCapacity, maxCapacity } = findResource(graph, "aws:appautoscaling/target:Target").inputs;
    assert.deepEqual({ minCapacity, maxCapacity }, { minCapacity: 2, maxCapacity: 7 });
    const policies = findResources(graph, "aws:appautoscaling/policy:Policy");
    const tracked = policies.map(({ name, inputs }) => {
      const tracking = at(inputs, "targetTrackingScalingPolicyConfiguration");
      return [
        name,
        [tracking["targetValue"], tracking["scaleInCooldown"], tracking["scaleOutCooldown"]],
      ] as const;
    });
    assert.deepEqual(Object.fromEntries(tracked), {
      "websocket-scaling-connections": [12, 17, 14],
      "websocket-scaling-requests": [11, 17, 14],
      "websocket-scaling-cpu": [13, 17, 14],
    });
    assert.equal(the.serviceOf(graph)["desiredCount"], 2);

    assert.deepEqual(
      the.logGroupsOf(graph).map(({ inputs }) => inputs["retentionInDays"]),
      [30, 30, 30],
    );
    const lifecycle = findResource(graph, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration");
    const [rule, ...others] = list(lifecycle.inputs, "rules");
    assert.deepEqual(others, []);
    assert.deepEqual(
      [at(rule, "")["status"], at(rule, "expiration")["days"], at(rule, "filter")["prefix"]],
      ["Enabled", 30, ""],
    );
  });

  for (const [edge, config, proxies] of [
    ["CloudFront and a public load balancer", { originAccess: "public" }, 2],
    ["CloudFront and an internal load balancer", { originAccess: "private" }, 2],
    ["a load balancer", { edge: "load-balancer", domain: "ws.example.com", hostedZoneId: "Z0123456789" }, 1],
  ] as const) {
    it(`makes the server trust the addresses that ${edge} adds`, async () => {
      assert.equal(the.serverSettingsOf(await the.evaluateDev(config)).trustedProxies, proxies);
    });
  }
});
