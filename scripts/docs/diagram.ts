/** The path of a request through a declared graph, as a Mermaid flowchart. Equal graphs have equal flowcharts. */
import { findResources } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";
import { listAt, textAt } from "../../policy/values.ts";

/** How one type of resource is drawn. */
interface Drawing {
  /** The inputs that refer to neighbours in the diagram. */
  readonly neighbours?: readonly string[];
  /** Type of the neighbour from which the arrow comes; the arrows to all others start here. */
  readonly behind?: string;
  /** Lines of text; a resource without any is not drawn. */
  readonly lines: (resource: DeclaredResource, graph: DeclaredGraph) => readonly string[];
}

type Drawings = Readonly<Record<string, Drawing>>;

const RECORD = "aws:route53/record:Record";
const CERTIFICATE = "aws:acm/certificate:Certificate";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const LISTENER = "aws:lb/listener:Listener";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";

/** Types outside the VPC, in the order in which they are drawn. */
const OUTSIDE: Drawings = {
  [RECORD]: {
    neighbours: ["aliases"],
    // The AAAA record of the name has the same target.
    lines: ({ inputs }) => (text(inputs, "type") === "A" ? [text(inputs, "name"), "A and AAAA"] : []),
  },
  [CERTIFICATE]: {
    lines: ({ inputs, provider }, { resources }) => [
      "Certificate",
      text(inputs, "domainName"),
      `in ${textAt(inputs, "region") ?? text(resources.find(({ urn, id }) => provider === `${urn}::${id}`)?.inputs, "region")}`,
    ],
  },
  [DISTRIBUTION]: {
    neighbours: ["origins", "viewerCertificate"],
    lines: ({ name, inputs }) => [
      `CloudFront: ${name}`,
      text(inputs, "viewerCertificate.cloudfrontDefaultCertificate") === "true"
        ? "CloudFront's own certificate"
        : text(inputs, "viewerCertificate.minimumProtocolVersion"),
      ...listAt(inputs, "origins")
        .flatMap((origin) => listAt(origin, "customHeaders"))
        .map((header) => `adds ${text(header, "name")}`),
    ],
  },
  "aws:cloudfront/vpcOrigin:VpcOrigin": {
    neighbours: ["vpcOriginEndpointConfig"],
    lines: ({ inputs }) => ["VPC origin", text(inputs, "vpcOriginEndpointConfig.originProtocolPolicy")],
  },
};

const IN_VPC: Drawings = {
  [LOAD_BALANCER]: {
    lines: ({ name, inputs }, graph) => [
      `Load balancer: ${name}`,
      text(inputs, "internal") === "true" ? "internal" : "public",
      ...findResources(graph, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        .filter((rule) => listAt(inputs, "securityGroups").includes(rule.inputs["securityGroupId"]))
        .map((rule) => text(rule.inputs, "description"))
        .toSorted(),
    ],
  },
  [LISTENER]: {
    neighbours: ["loadBalancerArn", "certificateArn", "defaultActions"],
    behind: LOAD_BALANCER,
    lines: ({ inputs }) => [
      `${text(inputs, "protocol")} ${text(inputs, "port")}`,
      ...listAt(inputs, "defaultActions").map((action) =>
        `${text(action, "type")} ${text(action, "fixedResponse.statusCode")}${text(action, "redirect.statusCode")}`.trim(),
      ),
    ],
  },
  "aws:lb/listenerRule:ListenerRule": {
    neighbours: ["listenerArn", "actions"],
    behind: LISTENER,
    lines: ({ inputs }) => [
      "with the right",
      ...listAt(inputs, "conditions").map((condition) => text(condition, "httpHeader.httpHeaderName")),
    ],
  },
  [TARGET_GROUP]: {
    lines: ({ inputs }) => ["Target group", `${text(inputs, "protocol")} ${text(inputs, "port")}`],
  },
  "awsx:ecs:FargateService": {
    neighbours: ["loadBalancers", "taskDefinitionArgs"],
    behind: TARGET_GROUP,
    lines: ({ name }) => [`Fargate: ${name}`],
  },
  "aws:elasticache/serverlessCache:ServerlessCache": {
    lines: ({ inputs }) => ["ElastiCache", text(inputs, "engine")],
  },
};

interface Node {
  readonly id: string;
  readonly resource: DeclaredResource;
  readonly drawing: Drawing;
  readonly lines: readonly string[];
}

type Arrow = readonly [from: Node, to: Node];

/** Draws a graph as the source of a Mermaid flowchart. */
export function drawDiagram(graph: DeclaredGraph): string {
  const [outside, inVpc] = [findNodes(OUTSIDE, graph), findNodes(IN_VPC, graph)];
  const nodes = [...outside, ...inVpc];
  const all = nodes.flatMap((node) => findArrows(node, nodes));
  // An arrow is left out if two others connect its ends.
  const arrows = all.filter(
    ([from, to]) => !all.some(([a, b]) => a === from && all.some(([c, d]) => c === b && d === to)),
  );
  const entries = nodes.filter(
    (node) => [RECORD, DISTRIBUTION].includes(node.resource.type) && !arrows.some(([, to]) => to === node),
  );
  // Origins outside the stack.
  const origins = nodes.flatMap(({ id: from, resource }) =>
    listAt(resource.inputs, "origins")
      .filter((origin) => text(origin, "originPath") !== "")
      .map((origin) => ({
        id: idOf("origin", text(origin, "originId")),
        lines: [text(origin, "domainName"), text(origin, "originPath")],
        from,
      })),
  );

  return [
    "flowchart LR",
    '  clients(("Clients"))',
    ...outside.map((node) => `  ${drawNode(node)}`),
    ...(inVpc.length === 0
      ? []
      : ['  subgraph vpc["VPC"]', ...inVpc.map((node) => `    ${drawNode(node)}`), "  end"]),
    ...origins.map((origin) => `  ${drawNode(origin)}`),
    ...entries.map(({ id }) => `  clients --> ${id}`),
    ...arrows.map(
      ([from, to]) => `  ${from.id} ${to.resource.type === CERTIFICATE ? "-.-" : "-->"} ${to.id}`,
    ),
    ...origins.map(({ id, from }) => `  ${from} --> ${id}`),
  ].join("\n");
}

function drawNode({ id, lines }: Pick<Node, "id" | "lines">): string {
  return `${id}["${lines.join("<br/>")}"]`;
}

function findNodes(drawings: Drawings, graph: DeclaredGraph): readonly Node[] {
  return Object.entries(drawings).flatMap(([type, drawing]) =>
    findResources(graph, type)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((resource) => ({
        id: idOf(type.slice(type.lastIndexOf(":") + 1), resource.name),
        resource,
        drawing,
        lines: drawing.lines(resource, graph),
      }))
      .filter(({ lines }) => lines.length > 0),
  );
}

/** The arrows between a node and its neighbours, in the direction of a request. */
function findArrows(node: Node, nodes: readonly Node[]): readonly Arrow[] {
  const { neighbours = [], behind } = node.drawing;
  const references = JSON.stringify(neighbours.map((key) => node.resource.inputs[key]));
  return nodes
    .filter((other) => other !== node && namesOf(other.resource).some((name) => references.includes(name)))
    .map((other) => (other.resource.type === behind ? [other, node] : [node, other]));
}

/** The values by which other resources refer to it: outputs of the cloud, and no name from the program. */
function namesOf({ id, inputs, outputs }: DeclaredResource): readonly string[] {
  const known = ["arn", "dnsName", "domainName", "fqdn"].filter((key) => !(key in inputs));
  const endpoints = listAt(outputs, "endpoints").map((endpoint) => text(endpoint, "address"));
  return [id, ...known.map((key) => text(outputs, key)), ...endpoints].filter((name) => name !== "");
}

function idOf(kind: string, name: string): string {
  return `${kind}_${name}`.replace(/\W/g, "_");
}

function text(data: unknown, path: string): string {
  return textAt(data, path) ?? "";
}
