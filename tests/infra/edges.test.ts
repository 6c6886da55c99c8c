import assert from "node:assert/strict";
import { formatProblems } from "../../app/src/settings/problem.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { stackFile } from "../../infra/config/configError.ts";
import { evaluateStack, findConfigProblems } from "../../infra/evaluation/evaluate.ts";
import { ofType, theOnly } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";
import { fullKeys } from "../local/support/edgeConfigs.ts";
import { at, list, text } from "../support/values.ts";

const CERTIFICATE = "aws:acm/certificate:Certificate";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const LISTENER = "aws:lb/listener:Listener";
const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const RECORD = "aws:route53/record:Record";
const RULE = "aws:lb/listenerRule:ListenerRule";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";
const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";

const ZONE = "Z0123456789ABCDEFGHIJ";
const API = "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod";
const arnIn = (region: string): string => `arn:aws:acm:${region}:123456789012:certificate/1`;

const DOMAIN = { domain: "ws.example.com", hostedZoneId: ZONE };
const PRIVATE = { originAccess: "private" };

describe("the edge cloudfront with a private origin", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await declared(PRIVATE);
  });

  it("has an internal load balancer, which CloudFront reaches by a VPC origin", () => {
    const loadBalancer = theOnly(graph, LOAD_BALANCER);
    const vpcOrigin = theOnly(graph, VPC_ORIGIN);
    const origin = at(theOnly(graph, DISTRIBUTION).inputs, "origins[0]");
    const { name, ...endpoint } = at(vpcOrigin.inputs, "vpcOriginEndpointConfig");

    assert.equal(loadBalancer.inputs["internal"], true);
    assert.deepEqual(endpoint, {
      arn: loadBalancer.outputs["arn"],
      httpPort: 80,
      httpsPort: 443,
      originProtocolPolicy: "http-only",
      originSslProtocols: { items: ["TLSv1.2"], quantity: 1 },
    });
    // Another load balancer, or another protocol, makes another VPC origin, whose name must be free.
    assert.match(String(name), new RegExp(`^${text(loadBalancer.outputs, "name")}-[0-9a-f]{8}$`));
    assert.deepEqual(origin["vpcOriginConfig"], { vpcOriginId: vpcOrigin.id });
    assert.equal(origin["customOriginConfig"], undefined);
    assert.equal(origin["domainName"], loadBalancer.outputs["dnsName"]);
  });

  it("gives CloudFront longer for a VPC origin than the 15 minutes that it may take", () => {
    const timeouts = at(theOnly(graph, VPC_ORIGIN).inputs, "timeouts");
    assert.deepEqual(Object.keys(timeouts).toSorted(), ["create", "delete", "update"]);
    for (const [operation, time] of Object.entries(timeouts)) {
      const [, minutes] = /^(\d+)m$/.exec(String(time)) ?? [];
      assert.ok(Number(minutes) >= 45, operation);
    }
  });

  it("warns, and goes on, in a region that is not in the list: AWS adds regions", async () => {
    const unlisted = await declared({ ...PRIVATE, "aws:region": "ap-southeast-6" });
    assert.equal(unlisted.warnings.length, 1);
    assert.match(
      unlisted.warnings.join(),
      /websocket:originAccess is private, and ap-southeast-6 is not in the list/,
    );
    assert.ok(theOnly(unlisted, VPC_ORIGIN));
    assert.deepEqual((await declared({ ...PRIVATE, "aws:region": "eu-west-1" })).warnings, []);
  });

  it("keeps the secret header, and admits CloudFront's addresses only", () => {
    const { name, value } = at(theOnly(graph, DISTRIBUTION).inputs, "origins[0].customHeaders[0]");
    const condition = at(theOnly(graph, RULE).inputs, "conditions[0].httpHeader");
    assert.deepEqual(condition, { httpHeaderName: name, values: [value] });
    const [rule, ...others] = ingressOf(graph);
    assert.deepEqual([rule?.["fromPort"], others], [80, []]);
    assert.ok(rule?.["prefixListId"]);
  });

  it("does not output a name that nobody can use", () => {
    assert.ok(!("loadBalancerDnsName" in graph.outputs));
  });

  it("gives nothing of the load balancer the name that it has in public, so that both can stand", async () => {
    const parts = [LOAD_BALANCER, TARGET_GROUP, LISTENER, RULE, "aws:ec2/securityGroup:SecurityGroup"];
    const names = (one: DeclaredGraph): readonly string[] =>
      parts
        .flatMap((type) => ofType(one, type))
        .filter(({ parent }) => parent?.includes("LoadBalancer"))
        .map(({ name }) => name);
    const inPublic = names(await declared({}));
    assert.equal(inPublic.length, parts.length);
    assert.deepEqual(
      names(graph).filter((name) => inPublic.includes(name)),
      [],
    );
  });
});

describe("TLS to the origin", () => {
  for (const [what, config, certificate] of [
    ["by a given certificate", { originCertificateArn: arnIn("us-east-1") }, arnIn("us-east-1")],
    ["by one that is issued in the zone", { hostedZoneId: ZONE }, undefined],
  ] as const) {
    it(`${what}: both ends speak it, under the same name`, async () => {
      const graph = await declared({ ...config, originTls: "origin.example.com" });
      const { loadBalancerArn: _, defaultActions, ...listener } = theOnly(graph, LISTENER).inputs;
      assert.deepEqual(listener, {
        port: 443,
        protocol: "HTTPS",
        sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        certificateArn: certificate ?? theOnly(graph, CERTIFICATE).outputs["arn"],
      });
      assert.equal(text(defaultActions, "[0].fixedResponse.statusCode"), "403");
      const origin = at(theOnly(graph, DISTRIBUTION).inputs, "origins[0]");
      assert.equal(origin["domainName"], "origin.example.com");
      assert.deepEqual(origin["customOriginConfig"], {
        originProtocolPolicy: "https-only",
        httpPort: 80,
        httpsPort: 443,
        originSslProtocols: ["TLSv1.2"],
      });
      assert.deepEqual(
        ingressOf(graph).map(({ fromPort, toPort }) => [fromPort, toPort]),
        [[443, 443]],
      );
    });
  }

  it("has a load balancer of its own for each name, as a listener has one certificate", async () => {
    const name = async (originTls: string): Promise<string> =>
      theOnly(await declared({ ...PRIVATE, originTls, hostedZoneId: ZONE }), LOAD_BALANCER).name;
    const [one, other] = [await name("origin.example.com"), await name("other.example.com")];
    assert.notEqual(one, other);
    // A hyphen and seven digits are Pulumi's, of 32 in all.
    for (const own of [one, other]) assert.ok(own.length <= 24, own);
  });

  it("leads its name to a public load balancer, and needs no record for one in the VPC", async () => {
    const tls = { originTls: "origin.example.com", hostedZoneId: ZONE };
    const inPublic = await declared(tls);
    assert.deepEqual(aliasesOf(inPublic), [
      ["A", "origin.example.com", theOnly(inPublic, LOAD_BALANCER).outputs["dnsName"]],
      ["AAAA", "origin.example.com", theOnly(inPublic, LOAD_BALANCER).outputs["dnsName"]],
    ]);
    const inVpc = await declared({ ...tls, ...PRIVATE });
    assert.deepEqual(aliasesOf(inVpc), []);
    assert.equal(
      text(theOnly(inVpc, VPC_ORIGIN).inputs, "vpcOriginEndpointConfig.originProtocolPolicy"),
      "https-only",
    );
  });

  it("tells whoever keeps the records elsewhere to make one", async () => {
    const { warnings } = await declared({
      originTls: "origin.example.com",
      originCertificateArn: arnIn("us-east-1"),
    });
    assert.match(
      warnings.join(),
      /CloudFront cannot resolve origin\.example\.com until you point it to .* loadBalancerDnsName/,
    );
  });
});

describe("a domain before CloudFront", () => {
  it("has a certificate in us-east-1, whichever region the stack is in, and TLS 1.2 as its minimum", async () => {
    const graph = await declared({ ...DOMAIN, "aws:region": "eu-west-1" });
    const certificate = theOnly(graph, CERTIFICATE);
    assert.equal(providerOf(graph, certificate).inputs["region"], "us-east-1");
    assert.equal(providerOf(graph, theOnly(graph, LOAD_BALANCER)).inputs["region"], "eu-west-1");
    assert.deepEqual(certificate.inputs, { domainName: "ws.example.com", validationMethod: "DNS" });

    const { inputs, options } = theOnly(graph, DISTRIBUTION);
    assert.deepEqual(inputs["aliases"], ["ws.example.com"]);
    assert.deepEqual(inputs["viewerCertificate"], {
      acmCertificateArn: certificate.outputs["arn"],
      sslSupportMethod: "sni-only",
      minimumProtocolVersion: "TLSv1.2_2021",
    });
    assert.deepEqual(options.ignoreChanges, []);
  });

  it("proves whose the name is before the certificate is used, and leads it to CloudFront", async () => {
    const graph = await declared(DOMAIN);
    const proof = ofType(graph, RECORD).find(({ inputs }) => inputs["type"] === "CNAME");
    const option = at(theOnly(graph, CERTIFICATE).outputs, "domainValidationOptions[0]");
    assert.ok(proof);
    assert.equal(proof.inputs["name"], option["resourceRecordName"]);
    assert.deepEqual(proof.inputs["records"], [option["resourceRecordValue"]]);
    assert.deepEqual(
      theOnly(graph, "aws:acm/certificateValidation:CertificateValidation").inputs["validationRecordFqdns"],
      [option["resourceRecordName"]],
    );

    const { domainName } = theOnly(graph, DISTRIBUTION).outputs;
    assert.deepEqual(aliasesOf(graph), [
      ["A", "ws.example.com", domainName],
      ["AAAA", "ws.example.com", domainName],
    ]);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
    assert.equal(graph.outputs["distributionDomainName"], domainName);
  });

  it("has another certificate in another region, proved by the same record, which stays", async () => {
    const [inFront, behind] = [
      await declared({ ...DOMAIN, "aws:region": "eu-west-1" }),
      await declared({ ...DOMAIN, edge: "load-balancer", "aws:region": "eu-west-1" }),
    ];
    assert.notEqual(theOnly(inFront, CERTIFICATE).urn, theOnly(behind, CERTIFICATE).urn);
    const [one, other] = [inFront, behind].map((graph) =>
      ofType(graph, RECORD).find(({ inputs }) => inputs["type"] === "CNAME"),
    );
    assert.ok(one);
    assert.deepEqual([one.urn, one.inputs, one.provider], [other?.urn, other?.inputs, other?.provider]);
  });

  it("takes a given certificate, and leaves the records to whoever keeps them", async () => {
    const graph = await declared({ domain: "ws.example.com", certificateArn: arnIn("us-east-1") });
    assert.deepEqual([...ofType(graph, CERTIFICATE), ...ofType(graph, RECORD)], []);
    assert.equal(ofType(graph, "pulumi:providers:aws").length, 1);
    assert.equal(
      text(theOnly(graph, DISTRIBUTION).inputs, "viewerCertificate.acmCertificateArn"),
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
    graph = await declared({ edge: "load-balancer", ...DOMAIN, "aws:region": "eu-west-1" });
  });

  it("has no distribution and no secret", () => {
    for (const type of [DISTRIBUTION, VPC_ORIGIN, RULE]) assert.deepEqual(ofType(graph, type), []);
    assert.ok(!graph.resources.some(({ name }) => name.startsWith("origin-secret")));
    assert.ok(!("distributionDomainName" in graph.outputs));
  });

  it("speaks TLS with the certificate of its own region, and forwards", () => {
    const https = listenerOn(graph, 443);
    assert.equal(https.inputs["protocol"], "HTTPS");
    assert.equal(https.inputs["sslPolicy"], "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09");
    assert.equal(https.inputs["certificateArn"], theOnly(graph, CERTIFICATE).outputs["arn"]);
    assert.equal(providerOf(graph, theOnly(graph, CERTIFICATE)).inputs["region"], "eu-west-1");
    assert.deepEqual(https.inputs["defaultActions"], [
      { type: "forward", targetGroupArn: theOnly(graph, TARGET_GROUP).outputs["arn"] },
    ]);
    assert.equal(theOnly(graph, LOAD_BALANCER).inputs["internal"], false);
  });

  it("sends who comes by HTTP to the same host, path and query", () => {
    assert.deepEqual(listenerOn(graph, 80).inputs["defaultActions"], [
      {
        type: "redirect",
        redirect: {
          protocol: "HTTPS",
          port: "443",
          host: "#{host}",
          path: "/#{path}",
          query: "#{query}",
          statusCode: "HTTP_301",
        },
      },
    ]);
  });

  it("is open to everyone on these two ports, and raises the idle timeout", () => {
    assert.deepEqual(
      ingressOf(graph).map(({ fromPort, toPort, cidrIpv4 }) => [fromPort, toPort, cidrIpv4]),
      [
        [443, 443, "0.0.0.0/0"],
        [80, 80, "0.0.0.0/0"],
      ],
    );
    assert.ok(Number(theOnly(graph, LOAD_BALANCER).inputs["idleTimeout"]) > 60);
  });

  it("is found by its name", () => {
    const { dnsName } = theOnly(graph, LOAD_BALANCER).outputs;
    assert.deepEqual(aliasesOf(graph), [
      ["A", "ws.example.com", dnsName],
      ["AAAA", "ws.example.com", dnsName],
    ]);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
  });
});

describe("the edge api-gateway", () => {
  it("is a distribution before the API's stage, by HTTPS only, and nothing else", async () => {
    const graph = await declared({ edge: "api-gateway", apiGatewayUrl: API });
    const { inputs, outputs } = theOnly(graph, DISTRIBUTION);
    assert.deepEqual(list(inputs, "origins"), [
      {
        originId: "api-gateway",
        domainName: "abcdef1234.execute-api.eu-west-1.amazonaws.com",
        originPath: "/prod",
        customOriginConfig: {
          originProtocolPolicy: "https-only",
          httpPort: 80,
          httpsPort: 443,
          originSslProtocols: ["TLSv1.2"],
        },
      },
    ]);
    assert.equal(inputs["isIpv6Enabled"], true);
    assert.equal(inputs["defaultRootObject"], undefined);
    // Managed-CachingDisabled.
    assert.equal(text(inputs, "defaultCacheBehavior.cachePolicyId"), "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    assert.deepEqual(graph.outputs, {
      websocketUrl: `wss://${String(outputs["domainName"])}`,
      distributionDomainName: outputs["domainName"],
    });
    for (const type of [LOAD_BALANCER, "awsx:ec2:Vpc", "awsx:ecs:FargateService"]) {
      assert.deepEqual(ofType(graph, type), []);
    }
  });

  for (const [what, config, queryStrings] of [
    ["no query string", {}, { queryStringBehavior: "none" }],
    [
      "the query strings that are named",
      { apiGatewayQueryStrings: '["token","room"]' },
      { queryStringBehavior: "whitelist", queryStrings: { items: ["token", "room"] } },
    ],
  ] as const) {
    it(`is told of a handshake what WebSocket needs, no cookie, and ${what}`, async () => {
      const graph = await declared({ edge: "api-gateway", apiGatewayUrl: API, ...config });
      const policy = theOnly(graph, "aws:cloudfront/originRequestPolicy:OriginRequestPolicy");
      const { comment: _, ...forwarded } = policy.inputs;
      assert.deepEqual(forwarded, {
        headersConfig: {
          headerBehavior: "whitelist",
          headers: {
            items: [
              "Sec-WebSocket-Key",
              "Sec-WebSocket-Version",
              "Sec-WebSocket-Protocol",
              "Sec-WebSocket-Accept",
              "Sec-WebSocket-Extensions",
            ],
          },
        },
        cookiesConfig: { cookieBehavior: "none" },
        queryStringsConfig: queryStrings,
      });
      assert.equal(
        text(theOnly(graph, DISTRIBUTION).inputs, "defaultCacheBehavior.originRequestPolicyId"),
        policy.id,
      );
    });
  }

  it("has the domain where it is alone", async () => {
    const { outputs } = await declared({ edge: "api-gateway", apiGatewayUrl: API, ...DOMAIN });
    assert.equal(outputs["websocketUrl"], "wss://ws.example.com");
  });

  it("stands beside the service, whose the domain is", async () => {
    const graph = await declared({ apiGatewayUrl: API, ...DOMAIN });
    const distributions = ofType(graph, DISTRIBUTION);
    const [edge, beside] = ["edge", "api-gateway"].map((name) =>
      distributions.find((distribution) => distribution.name === name),
    );
    assert.equal(distributions.length, 2);
    assert.deepEqual(edge?.inputs["aliases"], ["ws.example.com"]);
    assert.equal(beside?.inputs["aliases"], undefined);
    assert.equal(graph.outputs["websocketUrl"], "wss://ws.example.com/wss");
    assert.equal(graph.outputs["apiGatewayWebsocketUrl"], `wss://${String(beside?.outputs["domainName"])}`);
  });
});

describe("keys of the edge that do not fit together", () => {
  const WRONG: readonly (readonly [
    config: Readonly<Record<string, string>>,
    key: string,
    ...parts: string[],
  ])[] = [
    [
      { edge: "load-balancer" },
      "domain",
      "websocket:edge load-balancer requires",
      "config set websocket:domain --stack",
    ],
    [
      { edge: "api-gateway" },
      "apiGatewayUrl",
      "websocket:edge api-gateway requires",
      "set websocket:apiGatewayUrl --",
    ],
    [
      { edge: "load-balancer", ...DOMAIN, originAccess: "private" },
      "originAccess",
      "only websocket:edge cloudfront uses it (now load-balancer)",
      "rm websocket:originAccess ",
    ],
    [
      { edge: "load-balancer", ...DOMAIN, originTls: "origin.example.com" },
      "originTls",
      "only websocket:edge cloudfront uses it",
      "rm websocket:originTls ",
    ],
    [
      { edge: "load-balancer", ...DOMAIN, apiGatewayUrl: API },
      "apiGatewayUrl",
      "cloudfront and api-gateway use it",
      "rm websocket:apiGatewayUrl ",
    ],
    [
      { domain: "ws.example.com" },
      "domain",
      "a certificate in websocket:certificateArn, or a zone in websocket:hostedZoneId",
      "set websocket:hostedZoneId --stack dev`, or `npx pulumi config set websocket:certificateArn --",
    ],
    [
      { originTls: "origin.example.com" },
      "originTls",
      "a certificate in websocket:originCertificateArn, or a zone in websocket:hostedZoneId",
    ],
    [{ hostedZoneId: ZONE }, "hostedZoneId", "websocket:domain and websocket:originTls are empty"],
    [
      { certificateArn: arnIn("us-east-1") },
      "certificateArn",
      "websocket:domain is empty",
      "set websocket:domain --",
    ],
    [{ originCertificateArn: arnIn("us-east-1") }, "originCertificateArn", "websocket:originTls is empty"],
    [
      { ...DOMAIN, certificateArn: arnIn("eu-west-1") },
      "certificateArn",
      "got a certificate in eu-west-1; expected one in us-east-1, because CloudFront",
      "rm websocket:certificateArn ",
    ],
    [
      { edge: "load-balancer", domain: "ws.example.com", certificateArn: arnIn("eu-west-1") },
      "certificateArn",
      "expected one in us-east-1, because a load balancer accepts certificates only from its own region",
      "set websocket:certificateArn --stack",
    ],
    [
      { originTls: "origin.example.com", originCertificateArn: arnIn("eu-west-1") },
      "originCertificateArn",
      "expected one in us-east-1",
    ],
    [
      { ...DOMAIN, originTls: "ws.example.com" },
      "originTls",
      "another name than websocket:domain",
      "set websocket:originTls --stack",
    ],
    [
      { apiGatewayQueryStrings: '["token"]' },
      "apiGatewayQueryStrings",
      "websocket:apiGatewayUrl is empty",
      "rm websocket:apiGatewayQueryStrings ",
    ],
    [
      { apiGatewayUrl: API, apiGatewayQueryStrings: JSON.stringify("abcdefghijk".match(/./g)) },
      "apiGatewayQueryStrings",
      "got 11 names; expected at most 10",
    ],
    [
      { domain: `${"ws".repeat(27)}.example.com`, hostedZoneId: ZONE },
      "domain",
      "got 66 characters; expected at most 64",
    ],
    [{ domain: "WS.example.com" }, "domain", "such as ws.example.com, or empty", "domain ws.example.com "],
    [{ domain: "https://ws.example.com/" }, "domain", "or empty", "domain ws.example.com "],
    [
      { edge: "load-balancer", domain: "ws.example.com", hostedZoneId: ZONE, originTls: "ws.example.com" },
      "originTls",
      "only websocket:edge cloudfront uses it",
      "rm websocket:originTls ",
    ],
    [{ apiGatewayUrl: "https://example.com" }, "apiGatewayUrl", "a URL such as wss://", "rm websocket:api"],
  ];
  for (const [config, key, ...parts] of WRONG) {
    it(`are reported for ${JSON.stringify(config)}`, async () => {
      const [problem, ...others] = await problemsIn(config);
      assert.ok(problem);
      assert.deepEqual(others, []);
      assert.equal(problem.key, `websocket:${key}`);
      const line = formatProblems([problem], stackFile("dev").describeFix).join();
      for (const part of parts) assert.ok(line.includes(part), `${line} includes ${part}`);
    });
  }

  it("are reported all at once", async () => {
    const problems = await problemsIn({
      edge: "api-gateway",
      originAccess: "private",
      domain: "ws.example.com",
    });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["websocket:originAccess", "websocket:domain", "websocket:apiGatewayUrl"],
    );
  });
});

/** The stack dev with these values; keys without a namespace are the project's. */
function declared(config: Readonly<Record<string, string>>): Promise<DeclaredGraph> {
  return evaluateStack({ stack: "dev", config: fullKeys(config) });
}

/** As {@link declared}. */
function problemsIn(config: Readonly<Record<string, string>>): Promise<readonly Problem[]> {
  return findConfigProblems({ stack: "dev", config: fullKeys(config) });
}

/** Who may reach the load balancer. */
function ingressOf(graph: DeclaredGraph): readonly DeclaredResource["inputs"][] {
  const [group] = list(theOnly(graph, LOAD_BALANCER).inputs, "securityGroups");
  return ofType(graph, INGRESS)
    .map(({ inputs }) => inputs)
    .filter(({ securityGroupId }) => securityGroupId === group);
}

/** Type, name and target of each alias record. */
function aliasesOf(graph: DeclaredGraph): readonly (readonly unknown[])[] {
  return ofType(graph, RECORD)
    .filter(({ inputs }) => "aliases" in inputs)
    .map(({ inputs }) => [inputs["type"], inputs["name"], text(inputs, "aliases[0].name")])
    .sort();
}

function listenerOn(graph: DeclaredGraph, port: number): DeclaredResource {
  const found = ofType(graph, LISTENER).find(({ inputs }) => inputs["port"] === port);
  assert.ok(found);
  return found;
}

function providerOf(graph: DeclaredGraph, { provider }: DeclaredResource): DeclaredResource {
  const found = ofType(graph, "pulumi:providers:aws").find(({ urn, id }) => provider === `${urn}::${id}`);
  assert.ok(found);
  return found;
}
