/** Relations between the resources of each edge. `tests/infra/declared.edges.yaml` has their properties. */
import assert from "node:assert/strict";
import { findResources, findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { evaluateDev, loadBalancerGroupOf, loadBalancerOf } from "../components/support.ts";
import { at, list, text } from "../../support/values.ts";

const CERTIFICATE = "aws:acm/certificate:Certificate";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const LISTENER = "aws:lb/listener:Listener";
const RECORD = "aws:route53/record:Record";
const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";

const ZONE = "Z0123456789ABCDEFGHIJ";
const API = "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod";
const arnIn = (region: string): string => `arn:aws:acm:${region}:123456789012:certificate/1`;

const DOMAIN = { domain: "ws.example.com", hostedZoneId: ZONE };
const ORIGIN_TLS = { originTls: "origin.example.com", hostedZoneId: ZONE };
const PRIVATE = { originAccess: "private" };

describe("the edge cloudfront with a private origin", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await evaluateDev(PRIVATE);
  });

  it("has an internal load balancer, which CloudFront reaches by a VPC origin", () => {
    const loadBalancer = loadBalancerOf(graph);
    const vpcOrigin = findResource(graph, VPC_ORIGIN);
    const origin = at(findResource(graph, DISTRIBUTION).inputs, "origins[0]");
    const { arn, name } = at(vpcOrigin.inputs, "vpcOriginEndpointConfig");

    assert.equal(loadBalancer.inputs["internal"], true);
    assert.equal(arn, loadBalancer.outputs["arn"]);
    // A change of the load balancer or the protocol replaces the VPC origin, whose name must be unused.
    assert.match(String(name), new RegExp(`^${text(loadBalancer.outputs, "name")}-[0-9a-f]{8}$`));
    assert.deepEqual(origin["vpcOriginConfig"], { vpcOriginId: vpcOrigin.id });
    assert.equal(origin["domainName"], loadBalancer.outputs["dnsName"]);
  });

  it("has a warning in a region that is not in the list, because AWS adds regions", async () => {
    const unlisted = await evaluateDev({ ...PRIVATE, "aws:region": "ap-southeast-6" });
    assert.equal(unlisted.warnings.length, 1);
    assert.match(unlisted.warnings.join(), /originAccess is private, and ap-southeast-6 is not in the list/);
    assert.ok(findResource(unlisted, VPC_ORIGIN));
    assert.deepEqual((await evaluateDev({ ...PRIVATE, "aws:region": "eu-west-1" })).warnings, []);
  });

  it("shares no name of the load balancer's resources with a public one, so that both can exist", async () => {
    const names = (one: DeclaredGraph): readonly string[] =>
      one.resources.filter(({ parent }) => parent?.includes("LoadBalancer")).map(({ name }) => name);
    const publicNames = names(await evaluateDev({}));
    assert.ok(publicNames.length >= 5);
    assert.deepEqual(
      names(graph).filter((name) => publicNames.includes(name)),
      [],
    );
  });
});

describe("TLS to the origin", () => {
  for (const [source, config] of [
    ["the configuration", { originTls: "origin.example.com", originCertificateArn: arnIn("us-east-1") }],
    ["ACM", ORIGIN_TLS],
  ] as const) {
    it(`uses the certificate of ${source}, and the same name on both sides`, async () => {
      const graph = await evaluateDev(config);
      const listener = findResource(graph, LISTENER).inputs;
      assert.deepEqual([listener["protocol"], listener["port"]], ["HTTPS", 443]);
      assert.equal(
        listener["certificateArn"],
        source === "ACM" ? findResource(graph, CERTIFICATE).outputs["arn"] : config.originCertificateArn,
      );
      const origin = at(findResource(graph, DISTRIBUTION).inputs, "origins[0]");
      assert.equal(origin["domainName"], "origin.example.com");
      assert.equal(text(origin, "customOriginConfig.originProtocolPolicy"), "https-only");
      assert.deepEqual(
        ingressOf(graph).map(({ fromPort, toPort }) => [fromPort, toPort]),
        [[443, 443]],
      );
    });
  }

  it("declares another load balancer for another name, because its listener has one certificate", async () => {
    const nameFor = async (originTls: string): Promise<string> =>
      loadBalancerOf(await evaluateDev({ ...PRIVATE, originTls, hostedZoneId: ZONE })).name;
    const names = [await nameFor("origin.example.com"), await nameFor("other.example.com")];
    assert.equal(new Set(names).size, 2);
    // Pulumi appends a hyphen and seven digits, and a name has at most 32 characters.
    for (const name of names) assert.ok(name.length <= 24, name);
  });

  it("has records for a public load balancer, and none for one in the VPC", async () => {
    const graph = await evaluateDev(ORIGIN_TLS);
    assertAliases(graph, "origin.example.com", loadBalancerOf(graph).outputs["dnsName"]);
    assert.deepEqual(aliasesOf(await evaluateDev({ ...ORIGIN_TLS, ...PRIVATE })), []);
  });

  it("has a warning that names the record to create if there is no zone", async () => {
    const { warnings } = await evaluateDev({
      originTls: "origin.example.com",
      originCertificateArn: arnIn("us-east-1"),
    });
    assert.match(
      warnings.join(),
      /CloudFront cannot resolve origin\.example\.com until you point it to .* loadBalancerDnsName/,
    );
  });
});

describe("a custom domain of CloudFront", () => {
  it("has a certificate in us-east-1 in every region, and requires TLS 1.2", async () => {
    const graph = await evaluateDev({ ...DOMAIN, "aws:region": "eu-west-1" });
    const certificate = findResource(graph, CERTIFICATE);
    assert.equal(regionOf(graph, certificate), "us-east-1");
    assert.equal(regionOf(graph, loadBalancerOf(graph)), "eu-west-1");

    const { inputs, options } = findResource(graph, DISTRIBUTION);
    assert.deepEqual(inputs["aliases"], ["ws.example.com"]);
    assert.deepEqual(inputs["viewerCertificate"], {
      acmCertificateArn: certificate.outputs["arn"],
      sslSupportMethod: "sni-only",
      minimumProtocolVersion: "TLSv1.2_2021",
    });
    assert.deepEqual(options.ignoreChanges, []);
  });

  it("is validated before the certificate is used, and resolves to CloudFront", async () => {
    const graph = await evaluateDev(DOMAIN);
    const { inputs } = validationRecordOf(graph);
    const option = at(findResource(graph, CERTIFICATE).outputs, "domainValidationOptions[0]");
    assert.equal(inputs["name"], option["resourceRecordName"]);
    assert.deepEqual(inputs["records"], [option["resourceRecordValue"]]);
    assert.deepEqual(
      findResource(graph, "aws:acm/certificateValidation:CertificateValidation").inputs[
        "validationRecordFqdns"
      ],
      [option["resourceRecordName"]],
    );

    const { domainName } = findResource(graph, DISTRIBUTION).outputs;
    assertAliases(graph, "ws.example.com", domainName);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
    assert.equal(graph.outputs["distributionDomainName"], domainName);
  });

  it("has another certificate in another region, with the same validation record", async () => {
    const [cloudFront, loadBalancer] = [
      await evaluateDev({ ...DOMAIN, "aws:region": "eu-west-1" }),
      await evaluateDev({ ...DOMAIN, edge: "load-balancer", "aws:region": "eu-west-1" }),
    ];
    assert.notEqual(findResource(cloudFront, CERTIFICATE).urn, findResource(loadBalancer, CERTIFICATE).urn);
    const [one, other] = [validationRecordOf(cloudFront), validationRecordOf(loadBalancer)];
    assert.deepEqual([one.urn, one.inputs, one.provider], [other.urn, other.inputs, other.provider]);
  });

  it("uses a configured certificate, and has a warning that names the record to create", async () => {
    const graph = await evaluateDev({ domain: "ws.example.com", certificateArn: arnIn("us-east-1") });
    assert.deepEqual([...findResources(graph, CERTIFICATE), ...findResources(graph, RECORD)], []);
    assert.equal(findResources(graph, "pulumi:providers:aws").length, 1);
    assert.equal(
      text(findResource(graph, DISTRIBUTION).inputs, "viewerCertificate.acmCertificateArn"),
      arnIn("us-east-1"),
    );
    assert.match(
      graph.warnings.join(),
      /clients cannot resolve ws\.example\.com until you point it to .* distributionDomainName/,
    );
  });
});

describe("the edge load-balancer", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await evaluateDev({ edge: "load-balancer", ...DOMAIN, "aws:region": "eu-west-1" });
  });

  it("forwards HTTPS with a certificate in its region, and redirects HTTP to it", () => {
    const certificate = findResource(graph, CERTIFICATE);
    assert.equal(regionOf(graph, certificate), "eu-west-1");
    const [https, http] = [443, 80].map((port) =>
      findResources(graph, LISTENER).find(({ inputs }) => inputs["port"] === port),
    );
    assert.equal(https?.inputs["certificateArn"], certificate.outputs["arn"]);
    assert.deepEqual(https?.inputs["defaultActions"], [
      {
        type: "forward",
        targetGroupArn: findResource(graph, "aws:lb/targetGroup:TargetGroup").outputs["arn"],
      },
    ]);
    assert.equal(text(http?.inputs, "defaultActions[0].redirect.protocol"), "HTTPS");
  });

  it("has the custom domain", () => {
    assertAliases(graph, "ws.example.com", loadBalancerOf(graph).outputs["dnsName"]);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
  });
});

describe("the edge api-gateway", () => {
  it("has a distribution in front of the stage of the API, and no service", async () => {
    const graph = await evaluateDev({ edge: "api-gateway", apiGatewayUrl: API });
    const { inputs, outputs } = findResource(graph, DISTRIBUTION);
    const { domainName, originPath } = at(inputs, "origins[0]");
    assert.equal(`wss://${String(domainName)}${String(originPath)}`, API);
    const { readme: _, ...forClients } = graph.outputs;
    assert.deepEqual(forClients, {
      websocketUrl: `wss://${String(outputs["domainName"])}`,
      distributionDomainName: outputs["domainName"],
    });
    for (const type of ["aws:lb/loadBalancer:LoadBalancer", "awsx:ec2:Vpc", "awsx:ecs:FargateService"]) {
      assert.deepEqual(findResources(graph, type), []);
    }
  });

  for (const [config, queryStrings] of [
    [{}, { queryStringBehavior: "none" }],
    [
      { apiGatewayQueryStrings: '["token","room"]' },
      { queryStringBehavior: "whitelist", queryStrings: { items: ["token", "room"] } },
    ],
  ] as const) {
    it(`forwards the query strings in ${JSON.stringify(config)}, and no cookie`, async () => {
      const graph = await evaluateDev({ edge: "api-gateway", apiGatewayUrl: API, ...config });
      const { id, inputs } = findResource(graph, "aws:cloudfront/originRequestPolicy:OriginRequestPolicy");
      assert.deepEqual(inputs["queryStringsConfig"], queryStrings);
      assert.deepEqual(inputs["cookiesConfig"], { cookieBehavior: "none" });
      assert.equal(
        text(findResource(graph, DISTRIBUTION).inputs, "defaultCacheBehavior.originRequestPolicyId"),
        id,
      );
    });
  }

  it("has the custom domain", async () => {
    const { outputs } = await evaluateDev({ edge: "api-gateway", apiGatewayUrl: API, ...DOMAIN });
    assert.equal(outputs["websocketUrl"], "wss://ws.example.com");
  });

  it("is beside a service, which has the custom domain", async () => {
    const graph = await evaluateDev({ apiGatewayUrl: API, ...DOMAIN });
    const [edge, apiGateway] = ["websocket-edge", "websocket-api-gateway"].map((name) =>
      findResources(graph, DISTRIBUTION).find((distribution) => distribution.name === name),
    );
    assert.deepEqual(edge?.inputs["aliases"], ["ws.example.com"]);
    assert.ok(apiGateway);
    assert.equal(apiGateway.inputs["aliases"], undefined);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
    assert.equal(
      graph.outputs["apiGatewayWebsocketUrl"],
      `wss://${String(apiGateway.outputs["domainName"])}`,
    );
  });
});

/** The inputs of the ingress rules of the load balancer. */
function ingressOf(graph: DeclaredGraph): readonly DeclaredResource["inputs"][] {
  return findResources(graph, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    .map(({ inputs }) => inputs)
    .filter(({ securityGroupId }) => securityGroupId === loadBalancerGroupOf(graph));
}

function assertAliases(graph: DeclaredGraph, name: string, target: unknown): void {
  assert.deepEqual(aliasesOf(graph), [
    ["A", name, target],
    ["AAAA", name, target],
  ]);
}

/** Type, name and target of each alias record. */
function aliasesOf(graph: DeclaredGraph): readonly (readonly unknown[])[] {
  return findResources(graph, RECORD)
    .filter(({ inputs }) => "aliases" in inputs)
    .map(({ inputs }) => [inputs["type"], inputs["name"], text(list(inputs, "aliases")[0], "name")])
    .sort();
}

function validationRecordOf(graph: DeclaredGraph): DeclaredResource {
  const found = findResources(graph, RECORD).find(({ inputs }) => inputs["type"] === "CNAME");
  assert.ok(found);
  return found;
}

function regionOf(graph: DeclaredGraph, { provider, inputs }: DeclaredResource): unknown {
  if (inputs["region"] !== undefined) return inputs["region"];
  return findResources(graph, "pulumi:providers:aws").find(({ urn, id }) => provider === `${urn}::${id}`)
    ?.inputs["region"];
}
