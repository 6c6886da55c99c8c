import assert from "node:assert/strict";
import { assertProblem, problemsIn } from "./support.ts";

const ZONE = "Z0123456789ABCDEFGHIJ";
const API = "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod";
const DOMAIN = { domain: "ws.example.com", hostedZoneId: ZONE };
const arnIn = (region: string): string => `arn:aws:acm:${region}:123456789012:certificate/1`;

describe("a contradiction between keys of the edge", () => {
  const cases: readonly (readonly [
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
  for (const [config, key, ...parts] of cases) {
    it(`is reported for ${JSON.stringify(config)}`, () => assertProblem(config, key, parts));
  }

  it("is reported together with all others", async () => {
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
