/** The path of a request through a declared graph, as a Mermaid flowchart. Equal graphs have equal flowcharts. */
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";

type Inputs = DeclaredResource["inputs"];

/** How one type of resource is drawn. */
interface Drawing {
  readonly type: string;
  /** The inputs that refer to neighbours in the diagram. */
  readonly neighbours: readonly string[];
  /** Type of the neighbour from which the arrow comes; the arrows to all others start here. */
  readonly behind?: string;
  /** Whether it is in the VPC. */
  readonly isInVpc: boolean;
  /** Lines of text; a resource without any is not drawn. */
  readonly lines: (resource: DeclaredResource, graph: DeclaredGraph) => readonly string[];
}

/** In the order in which they are drawn. */
const DRAWINGS: readonly Drawing[] = [
  {
    type: "aws:route53/record:Record",
    neighbours: ["aliases"],
    isInVpc: false,
    // The AAAA record of the name has the same target.
    lines: ({ inputs }) => (inputs["type"] === "A" ? [textOf(inputs["name"]), "A and AAAA"] : []),
  },
  {
    type: "aws:acm/certificate:Certificate",
    neighbours: [],
    isInVpc: false,
    lines: (certificate, graph) => [
      "Certificate",
      textOf(certificate.inputs["domainName"]),
      `in ${regionOf(certificate, graph)}`,
    ],
  },
  {
    type: "aws:cloudfront/distribution:Distribution",
    neighbours: ["origins", "viewerCertificate"],
    isInVpc: false,
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
    isInVpc: false,
    lines: ({ inputs }) => [
      "VPC origin",
      textOf(fieldsOf(inputs["vpcOriginEndpointConfig"])["originProtocolPolicy"]),
    ],
  },
  {
    type: "aws:lb/loadBalancer:LoadBalancer",
    neighbours: [],
    isInVpc: true,
    lines: ({ name, inputs }, graph) => [
      `Load balancer: ${name}`,
      inputs["internal"] === true ? "internal" : "public",
      ...describeIngress(inputs, graph),
    ],
  },
  {
    type: "aws:lb/listener:Listener",
    neighbours: ["loadBalancerArn", "certificateArn", "defaultActions"],
    behind: "aws:lb/loadBalancer:LoadBalancer",
    isInVpc: true,
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
    isInVpc: true,
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
    isInVpc: true,
    lines: ({ inputs }) => ["Target group", `${textOf(inputs["protocol"])} ${textOf(inputs["port"])}`],
  },
  {
    type: "awsx:ecs:FargateService",
    neighbours: ["loadBalancers", "taskDefinitionArgs"],
    behind: "aws:lb/targetGroup:TargetGroup",
    isInVpc: true,
    lines: ({ name }) => [`Fargate: ${name}`],
  },
  {
    type: "aws:elasticache/serverlessCache:ServerlessCache",
    neighbours: [],
    isInVpc: true,
    lines: ({ inputs }) => ["ElastiCache", textOf(inputs["engine"])],
  },
];

/** Types that clients connect to, unless another resource in the diagram has an arrow to them. */
const ENTRY_TYPES = ["aws:route53/record:Record", "aws:cloudfront/distribution:Distribution"];
const CERTIFICATE = "aws:acm/certificate:Certificate";

interface Node {
  readonly id: string;
  readonly resource: DeclaredResource;
  readonly drawing: Drawing;
  readonly lines: readonly string[];
}

type Arrow = readonly [from: Node, to: Node];

/** Draws a graph as the source of a Mermaid flowchart. */
export function drawDiagram(graph: DeclaredGraph): string {
  const nodes = DRAWINGS.flatMap((drawing) => findNodes(drawing, graph));
  const arrows = withoutShortcuts(nodes.flatMap((node) => findArrows(node, nodes)));
  const entries = nodes.filter(
    (node) => ENTRY_TYPES.includes(node.resource.type) && !arrows.some(([, to]) => to === node),
  );
  const inVpc = nodes.filter(({ drawing }) => drawing.isInVpc);

  return [
    "flowchart LR",
    '  clients(("Clients"))',
    ...nodes.filter(({ drawing }) => !drawing.isInVpc).map((node) => `  ${drawNode(node)}`),
    ...(inVpc.length === 0
      ? []
      : ['  subgraph vpc["VPC"]', ...inVpc.map((node) => `    ${drawNode(node)}`), "  end"]),
    ...externalOrigins(nodes).map(({ id, lines }) => `  ${id}["${lines.join("<br/>")}"]`),
    ...entries.map(({ id }) => `  clients --> ${id}`),
    ...arrows.map(([from, to]) =>
      to.resource.type === CERTIFICATE ? `  ${from.id} -.- ${to.id}` : `  ${from.id} --> ${to.id}`,
    ),
    ...externalOrigins(nodes).map(({ id, from }) => `  ${from.id} --> ${id}`),
  ].join("\n");
}

function drawNode({ id, lines }: Node): string {
  return `${id}["${lines.join("<br/>")}"]`;
}

function findNodes(drawing: Drawing, graph: DeclaredGraph): readonly Node[] {
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

/** The arrows between a node and its neighbours, in the direction of a request. */
function findArrows(node: Node, nodes: readonly Node[]): readonly Arrow[] {
  const { neighbours, behind } = node.drawing;
  const references = JSON.stringify(neighbours.map((key) => node.resource.inputs[key]));
  return nodes
    .filter((other) => other !== node && namesOf(other.resource).some((name) => references.includes(name)))
    .map((other): Arrow => (other.resource.type === behind ? [other, node] : [node, other]));
}

/** Removes an arrow if two other arrows connect its ends. */
function withoutShortcuts(arrows: readonly Arrow[]): readonly Arrow[] {
  return arrows.filter(
    ([from, to]) => !arrows.some(([a, b]) => a === from && arrows.some(([c, d]) => c === b && d === to)),
  );
}

/** The values by which other resources refer to it: outputs of the cloud, and no name from the program. */
function namesOf({ id, inputs, outputs }: DeclaredResource): readonly string[] {
  const known = ["arn", "dnsName", "domainName", "fqdn"].filter((key) => !(key in inputs));
  const endpoints = listOf(outputs["endpoints"]).map((endpoint) => fieldsOf(endpoint)["address"]);
  return [id, ...known.map((key) => outputs[key]), ...endpoints].filter((name) => typeof name === "string");
}

/** Origins outside the stack. */
function externalOrigins(
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

/** Descriptions of the ingress rules of its security groups. */
function describeIngress({ securityGroups }: Inputs, graph: DeclaredGraph): readonly string[] {
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
