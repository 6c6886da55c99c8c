/** Distributions with a private origin, with TLS to the origin, and with a custom domain. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../../cli/valkeyServer.ts";
import { readDistributions } from "../../../local/model/edge/distribution.ts";
import { startEdge } from "../../../local/runtime/edge.ts";
import { localCertificate } from "../../../local/runtime/network/certificate.ts";
import { ask, connect } from "../support/clients.ts";
import { DECLARED_PORTS, privateOrigin, tlsToNamedOrigin, tlsToOrigin } from "../support/edges.ts";
import { resource, SECRET, SECRET_HEADER, wholePath } from "../support/graph.ts";
import { FIXTURE_OPTIONS, launch, running } from "../support/stack.ts";

/** What the fixture server returns. */
interface ServerReport {
  readonly url: string;
  readonly headers: Record<string, string>;
}

describe("a private origin", () => {
  it("connects the edge to a load balancer without a port", async () => {
    const loadBalancerPort = await freePort();
    await using fixture = await running(privateOrigin(), { loadBalancerPort });
    const reply = await ask(new URL("/x", fixture.urls.page).href);
    assert.equal(reply.headers["x-cache"], "Miss from cloudfront");
    const { headers } = JSON.parse(reply.body) as ServerReport;
    assert.equal(headers[SECRET_HEADER.toLowerCase()], SECRET);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
    using client = await connect(fixture.urls.websocket);
    client.socket.send("through");
    await once(client.socket, "message");

    assert.equal(fixture.urls.loadBalancer, "");
    const direct = connectTcp(loadBalancerPort, "127.0.0.1");
    const [error] = (await once(direct, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
    const { path: parts } = await fixture.next("declared");
    assert.match(parts.find(({ part }) => part === "load balancer")?.text ?? "", /private: no local port$/);
  });

  it("has TLS if declared", async () => {
    const { https } = DECLARED_PORTS;
    const { resources, ...graph } = privateOrigin({ listener: { protocol: "HTTPS", port: https } });
    const withTls = resources.map((declared) => {
      if (declared.name !== "vpc-origin") return declared;
      const endpoint = declared.inputs["vpcOriginEndpointConfig"] as object; // As made just before.
      const vpcOriginEndpointConfig = { ...endpoint, originProtocolPolicy: "https-only" };
      return { ...declared, inputs: { vpcOriginEndpointConfig } };
    });
    await using fixture = await running({ ...graph, resources: withTls });
    using client = await connect(fixture.urls.websocket);
    assert.ok(client.pid > 0);
  });

  it("closes in order, and leaves no socket in the temporary folder", async () => {
    const { TMPDIR } = process.env;
    const folder = await mkdtemp(path.join(tmpdir(), "sockets-"));
    process.env["TMPDIR"] = folder;
    try {
      const fixture = await running(privateOrigin());
      assert.equal((await readdir(folder)).length, 1);
      using client = await connect(fixture.urls.websocket);
      const closed = once(client.socket, "close") as Promise<[number]>;
      await fixture.stack.close();
      assert.equal((await closed)[0], 1001);
      assert.deepEqual(await readdir(folder), []);
    } finally {
      if (TMPDIR === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = TMPDIR;
      await rm(folder, { recursive: true });
    }
  });
});

describe("TLS to the origin", () => {
  for (const [name, graph] of [
    ["its domain name", tlsToOrigin],
    ["the name of its certificate", tlsToNamedOrigin],
  ] as const) {
    it(`connects to the load balancer by ${name}`, async () => {
      await using fixture = await running(graph());
      const reply = await ask(new URL("/x", fixture.urls.page).href);
      const { headers } = JSON.parse(reply.body) as ServerReport;
      assert.equal(headers["x-forwarded-proto"], "https");
      assert.match(fixture.urls.loadBalancer, /^https:/);
      assert.equal((await ask(fixture.urls.loadBalancer)).status, 403);
      using client = await connect(fixture.urls.websocket);
      assert.ok(client.pid > 0);
    });
  }

  describe("with another server at the origin", () => {
    let folder: string;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "certificate-"));
    });

    after(() => rm(folder, { recursive: true }));

    for (const [name, serve] of [
      ["with another certificate", async () => createTlsServer(await localCertificate(folder))],
      ["without TLS", () => Promise.resolve(createServer())],
    ] as const) {
      it(`returns 502 for one ${name}`, async () => {
        const impostor: Server = await serve();
        impostor.on("request", () => assert.fail("The edge must not send a request."));
        await once(impostor.listen(0, "127.0.0.1"), "listening");
        const address = impostor.address();
        assert.ok(typeof address === "object" && address !== null);
        const [distribution] = readDistributions(tlsToOrigin());
        assert.ok(distribution);
        const certificate = await localCertificate(FIXTURE_OPTIONS.cacheDirectory);
        const upstream = {
          address: { host: "127.0.0.1", port: address.port },
          tls: { ca: certificate.cert, servername: "localhost" },
        };
        const edge = await startEdge({
          distribution,
          origins: new Map([["balancer", upstream]]),
          certificate,
          listenPort: { name: "edge", port: 0, option: "--edge-port" },
          flushMs: 0,
        });
        const reply = await ask(`https://localhost:${edge.address.port}/x`);
        assert.equal(reply.status, 502);
        assert.equal(reply.headers["x-cache"], "Error from cloudfront");
        await edge.close();
        impostor.close();
      });
    }
  });
});

describe("a custom domain", () => {
  it("is emulated by localhost, and one event lists all of its resources", async () => {
    const { resources, ...graph } = wholePath({ distribution: { aliases: ["ws.example.com"] } });
    await using fixture = await launch({
      ...graph,
      resources: [
        ...resources,
        resource("aws:acm/certificate:Certificate", "domain", {}),
        resource("aws:route53/record:Record", "domain-proof", {}),
        resource("aws:acm/certificateValidation:CertificateValidation", "domain", {}),
        resource("aws:route53/record:Record", "domain-A", {}),
      ],
      outputs: { websocketUrl: "wss://ws.example.com/chat" },
    });
    const unsupported = fixture.events.filter(({ event }) => event === "unsupported");
    assert.deepEqual(unsupported, [
      {
        event: "unsupported",
        types: [
          "aws:acm/certificate:Certificate",
          "aws:route53/record:Record",
          "aws:acm/certificateValidation:CertificateValidation",
        ],
        names: ["domain", "domain-proof", "domain-A"],
        reason: "localhost and a self-signed certificate replace custom domains",
      },
    ]);
    const { path: parts } = await fixture.next("declared");
    assert.deepEqual(parts[0], { part: "domain", text: "ws.example.com, emulated by localhost" });
    assert.match(fixture.urls.websocket, /^wss:\/\/localhost:\d+\/chat$/);
  });
});

describe("an origin that the program does not declare", () => {
  it("is refused", async () => {
    const { resources, ...graph } = wholePath();
    const renamed = resources.map((declared) =>
      declared.name === "balancer"
        ? { ...declared, outputs: { ...declared.outputs, dnsName: "another.example" } }
        : declared,
    );
    await assert.rejects(
      launch({ ...graph, resources: renamed }),
      /domainName is unsupported .* expected the name of a load balancer with rules of the stack/,
    );
  });
});
