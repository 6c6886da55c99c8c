/** The way of clients through a declared graph, as a Mermaid flowchart: the same text for the same graph. */
import type { DeclaredGraph, DeclaredResource } from "./graph.ts";

type Inputs = DeclaredResource["inputs"];

/** How one type of resource is drawn. */
interface Drawing {
  readonly type: string;
  /** The inputs that name what is drawn as its neighbour. */
  readonly neighbours: readonly string[];
  /** Clients reach it through that neighbour, and not the other way round. */
  readonly behind?: string;
  /** Inside the VPC. */
  readonly inside: boolean;
  /** Lines of text; a resource without any is not drawn. */
  readonly lines: (resource: DeclaredResource, graph: DeclaredGraph) => readonly string[];
}

/** In the order in which they are drawn. */
const DRAWINGS: readonly Drawing[] = [
  {
    type: "aws:route53/record:Record",
    neighbours: ["aliases"],
    inside: false,
    // The other record of the name, for IPv6, leads to the same.
    lines: ({ inputs }) => (inputs["type"] === "A" ? [textOf(inputs["name"]), "A and AAAA"] : []),
  },
  {
    type: "aws:acm/certificate:Certificate",
    neighbours: [],
    inside: false,
    lines: (certificate, graph) => [
      "Certificate",
      textOf(certificate.inputs["domainName"]),
      `in ${regionOf(certificate, graph)}`,
    ],
  },
  {
    type: "aws:cloudfront/distribution:Distribution",
    neighbours: ["origins", "viewerCertificate"],
    inside: false,
    lines: ({ name, inputs }) => {
      const { cloudfrontDefaultCertificate, minimumProtocolVersion } = fieldsOf(inputs["viewerCertificate"]);
      const headers = origins(inputs).flatMap(({ customHeaders }) => listOf(customHeaders));
      return [
        `CloudFront: ${name}`,
        cloudfrontDefaultCertificate === true
          ? "CloudFront's own certificate"
          : textOf(minimumProtocolVersion),
        ...headers.map((header) => `adds ${textOf(fieldsOf(header)["name"])}`),
      ];
    },
  },
  {
    type: "aws:cloudfront/vpcOrigin:VpcOrigin",
    neighbours: ["vpcOriginEndpointConfig"],
    inside: false,
    lines: ({ inputs }) => [
      "VPC origin",
      textOf(fieldsOf(inputs["vpcOriginEndpointConfig"])["originProtocolPolicy"]),
    ],
  },
  {
    type: "aws:lb/loadBalancer:LoadBalancer",
    neighbours: [],
    inside: true,
    lines: ({ name, inputs }, graph) => [
      `Load balancer: ${name}`,
      inputs["internal"] === true ? "internal" : "public",
      ...admitted(inputs, graph),
    ],
  },
  {
    type: "aws:lb/listener:Listener",
    neighbours: ["loadBalancerArn", "certificateArn", "defaultActions"],
    behind: "aws:lb/loadBalancer:LoadBalancer",
    inside: true,
    lines: ({ inputs }) => [
      `${textOf(inputs["protocol"])} ${textOf(inputs["port"])}`,
      ...listOf(inputs["defaultActions"]).map((action) => {
        const { type, fixedResponse, redirect } = fieldsOf(action);
        return [type, fieldsOf(fixedResponse)["statusCode"] ?? fieldsOf(redirect)["statusCode"] ?? ""]
          .map(textOf)
          .join(" ")
          .trim();
      }),
    ],
  },
  {
    type: "aws:lb/listenerRule:ListenerRule",
    neighbours: ["listenerArn", "actions"],
    behind: "aws:lb/listener:Listener",
    inside: true,
    lines: ({ inputs }) => [
      "with the right",
      ...listOf(inputs["conditions"]).map((condition) =>
        textOf(fieldsOf(fieldsOf(condition)["httpHeader"])["httpHeaderName"]),
      ),
    ],
  },
  {
    type: "aws:lb/targetGroup:TargetGroup",
    neighbours: [],
    inside: true,
    lines: ({ inputs }) => ["Target group", `${textOf(inputs["protocol"])} ${textOf(inputs["port"])}`],
  },
  {
    type: "awsx:ecs:FargateService",
    neighbours: ["loadBalancers", "taskDefinitionArgs"],
    behind: "aws:lb/targetGroup:TargetGroup",
    inside: true,
    lines: ({ name }) => [`Fargate: ${name}`],
  },
  {
    type: "aws:elasticache/serverlessCache:ServerlessCache",
    neighbours: [],
    inside: true,
    lines: ({ inputs }) => ["ElastiCache", textOf(inputs["engine"])],
  },
];

/** Where clients come in, unless something that is drawn leads there. */
const ENTRANCES = ["aws:route53/record:Record", "aws:cloudfront/distribution:Distribution"];
const CERTIFICATE = "aws:acm/certificate:Certificate";

interface Node {
  readonly id: string;
  readonly resource: DeclaredResource;
  readonly drawing: Drawing;
  readonly lines: readonly string[];
}

type Arrow = readonly [from: Node, to: Node];

/** Draws the graph. */
export function diagramOf(graph: DeclaredGraph): string {
  const nodes = DRAWINGS.flatMap((drawing) => nodesOf(drawing, graph));
  const arrows = withoutShortcuts(nodes.flatMap((node) => arrowsOf(node, nodes)));
  const entrances = nodes.filter(
    (node) => ENTRANCES.includes(node.resource.type) && !arrows.some(([, to]) => to === node),
  );
  const inside = nodes.filter(({ drawing }) => drawing.inside);

  return [
    "flowchart LR",
    '  clients(("Clients"))',
    ...nodes.filter(({ drawing }) => !drawing.inside).map((node) => `  ${drawn(node)}`),
    ...(inside.length === 0
      ? []
      : ['  subgraph vpc["VPC"]', ...inside.map((node) => `    ${drawn(node)}`), "  end"]),
    ...foreignOrigins(nodes).map(({ id, lines }) => `  ${id}["${lines.join("<br/>")}"]`),
    ...entrances.map(({ id }) => `  clients --> ${id}`),
    ...arrows.map(([from, to]) =>
      to.resource.type === CERTIFICATE ? `  ${from.id} -.- ${to.id}` : `  ${from.id} --> ${to.id}`,
    ),
    ...foreignOrigins(nodes).map(({ id, from }) => `  ${from.id} --> ${id}`),
  ].join("\n");
}

function drawn({ id, lines }: Node): string {
  return `${id}["${lines.join("<br/>")}"]`;
}

function nodesOf(drawing: Drawing, graph: DeclaredGraph): readonly Node[] {
  const kind = drawing.type.slice(drawing.type.lastIndexOf(":") + 1);
  return graph.resources
    .filter(({ type }) => type === drawing.type)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((resource) => {
      const lines = drawing.lines(resource, graph);
      return lines.length === 0
        ? []
        : [{ id: `${kind}_${resource.name}`.replace(/\W/g, "_"), resource, drawing, lines }];
    });
}

/** From clients inwards. */
function arrowsOf(node: Node, nodes: readonly Node[]): readonly Arrow[] {
  const { neighbours, behind } = node.drawing;
  const said = JSON.stringify(neighbours.map((key) => node.resource.inputs[key]));
  return nodes
    .filter((other) => other !== node && namesOf(other.resource).some((name) => said.includes(name)))
    .map((other): Arrow => (other.resource.type === behind ? [other, node] : [node, other]));
}

/** An arrow past a node that is on the way says nothing. */
function withoutShortcuts(arrows: readonly Arrow[]): readonly Arrow[] {
  return arrows.filter(
    ([from, to]) => !arrows.some(([a, b]) => a === from && arrows.some(([c, d]) => c === b && d === to)),
  );
}

/** By which other resources name it: what only the cloud knows, and no name that somebody chose. */
function namesOf({ id, inputs, outputs }: DeclaredResource): readonly string[] {
  const known = ["arn", "dnsName", "domainName", "fqdn"].filter((key) => !(key in inputs));
  const endpoints = listOf(outputs["endpoints"]).map((endpoint) => fieldsOf(endpoint)["address"]);
  return [id, ...known.map((key) => outputs[key]), ...endpoints].filter((name) => typeof name === "string");
}

/** Origins that are not of this stack. */
function foreignOrigins(
  nodes: readonly Node[],
): readonly { readonly id: string; readonly lines: readonly string[]; readonly from: Node }[] {
  return nodes.flatMap((from) =>
    origins(from.resource.inputs)
      .filter(({ originPath }) => originPath !== undefined)
      .map(({ originId, domainName, originPath }) => ({
        id: `origin_${textOf(originId)}`.replace(/\W/g, "_"),
        lines: [textOf(domainName), textOf(originPath)],
        from,
      })),
  );
}

function origins(inputs: Inputs): readonly Inputs[] {
  return listOf(inputs["origins"]).map(fieldsOf);
}

/** What the rules of its security groups say of themselves. */
function admitted({ securityGroups }: Inputs, graph: DeclaredGraph): readonly string[] {
  return graph.resources
    .filter(
      ({ type, inputs }) =>
        type === "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule" &&
        listOf(securityGroups).includes(inputs["securityGroupId"]),
    )
    .map(({ inputs }) => textOf(inputs["description"]))
    .toSorted();
}

function regionOf({ provider }: DeclaredResource, graph: DeclaredGraph): string {
  const found = graph.resources.find(({ urn, id }) => provider === `${urn}::${id}`);
  return textOf(found?.inputs["region"]);
}

function fieldsOf(value: unknown): Inputs {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
