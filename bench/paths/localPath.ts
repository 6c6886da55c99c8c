/**
 * The edge and the load balancer of stack dev as `npm start` runs them, in front of the server at UPSTREAM_PORT. The edge listens on
 * PORT.
 */
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { readParts } from "../../local/model/parts.ts";
import { startIngress } from "../../local/runtime/ingress.ts";
import { localCertificate } from "../../local/runtime/network/certificate.ts";
import { createImpairment } from "../../local/runtime/network/impairment.ts";
import { createTargets } from "../../local/runtime/tasks/targets.ts";

const { PORT, UPSTREAM_PORT, CERTIFICATE_FOLDER = "" } = process.env;

const { servicePath } = readParts(await evaluateStack({ stack: "dev" }), {});
if (servicePath === undefined) throw new Error("Stack dev has no service.");
const targets = new Map(servicePath.targetGroups.map((group) => [group.arn, createTargets(group)]));
targets.get(servicePath.service.targetGroupArn)?.register(Number(UPSTREAM_PORT), () => undefined);
await startIngress(servicePath, targets, {
  edgePort: { name: "edge", port: Number(PORT), option: "PORT" },
  loadBalancerPort: { name: "load balancer", port: 0, option: "PORT" },
  certificate: await localCertificate(CERTIFICATE_FOLDER),
  impairment: createImpairment(),
  flushMs: 0,
});
