/** What clients connect to: flat keys of a stack's file, read into one value that only says what can be built. */
import { encode } from "../../app/src/settings/definition.ts";
import type { Definition, ValuesOf } from "../../app/src/settings/definition.ts";

/** RFC 1035: labels of letters, digits and hyphens; at least two, in lower case, as ACM and CloudFront keep them. */
const DOMAIN_NAME = /(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?/;
const CERTIFICATE_ARN = /arn:aws:acm:(?<region>[a-z0-9-]+):\d{12}:certificate\/[\w-]+/;
const ZONE_ID = /Z[A-Z0-9]{1,31}/;
/** As the console of API Gateway shows it. */
const API_URL = /wss:\/\/(?<host>\w+\.execute-api\.[a-z0-9-]+\.amazonaws\.com)\/(?<stage>[\w-]{1,128})/;

export const edgeDefinitions = {
  edge: {
    kind: "choice",
    choices: ["cloudfront", "load-balancer", "api-gateway"],
    default: "cloudfront",
    description:
      "What clients connect to; the last is CloudFront before an API Gateway, without a service of this stack",
  },
  originAccess: {
    kind: "choice",
    choices: ["public", "private"],
    default: "public",
    description: "Where CloudFront finds the load balancer: at a public address, or inside the VPC only",
  },
  originTls: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as origin.example.com, or empty",
    description: "Name of the load balancer, by which CloudFront reaches it with TLS; empty is plain HTTP",
  },
  originCertificateArn: {
    kind: "text",
    default: "",
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description: "Certificate of originTls, in the stack's region; empty issues one by hostedZoneId",
  },
  domain: {
    kind: "text",
    default: "",
    pattern: orEmpty(DOMAIN_NAME),
    allowed: "a domain name such as ws.example.com, or empty",
    description: "Own name that clients connect to; empty takes CloudFront's, and lets viewers use TLS 1.0",
  },
  certificateArn: {
    kind: "text",
    default: "",
    pattern: orEmpty(CERTIFICATE_ARN),
    allowed: "the ARN of a certificate in ACM, or empty",
    description:
      "Certificate of domain, in us-east-1 for CloudFront, else in the stack's region; empty issues one by hostedZoneId",
  },
  hostedZoneId: {
    kind: "text",
    default: "",
    pattern: orEmpty(ZONE_ID),
    allowed: "the id of a hosted zone in Route 53, such as Z0123456789ABCDEFGHIJ, or empty",
    description: "Route 53 zone of domain and originTls; empty leaves their records to you",
  },
  apiGatewayUrl: {
    kind: "text",
    default: "",
    pattern: orEmpty(API_URL),
    allowed: "a URL such as wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod, or empty",
    description: "WebSocket API of API Gateway that gets a distribution of its own",
  },
  apiGatewayQueryStrings: {
    kind: "list",
    default: [],
    pattern: /[\w.-]{1,128}/,
    allowed: "names of query strings such as token",
    description: "Query strings that reach the API Gateway; it is told no others",
  },
} as const satisfies Record<string, Definition>;

export type EdgeValues = ValuesOf<typeof edgeDefinitions>;
type EdgeKey = keyof EdgeValues;

/** What clients connect to, and what is behind it. */
export type EdgeConfig =
  | {
      readonly kind: "cloudfront";
      readonly originAccess: "public" | "private";
      /** Without it, CloudFront speaks plain HTTP to the load balancer. */
      readonly originTls?: OwnName;
      readonly domain?: OwnName;
      /** Gets a distribution beside that of the service. */
      readonly apiGateway?: ApiGateway;
    }
  | {
      readonly kind: "load-balancer";
      /** Its listener needs a certificate, and no certificate names what AWS named. */
      readonly domain: OwnName;
    }
  | { readonly kind: "api-gateway"; readonly apiGateway: ApiGateway; readonly domain?: OwnName };

export type EdgeOf<Kind extends EdgeConfig["kind"]> = Extract<EdgeConfig, { kind: Kind }>;

/** A name of one's own: its certificate is given, or issued in the zone; without a zone, its records are others' to make. */
export type OwnName =
  | { readonly name: string; readonly zoneId: string; readonly certificateArn?: string }
  | { readonly name: string; readonly zoneId?: undefined; readonly certificateArn: string };

export interface ApiGateway {
  /** Such as `abcdef1234.execute-api.us-east-1.amazonaws.com`. */
  readonly host: string;
  readonly stage: string;
  /** Names of the query strings that reach it. */
  readonly queryStrings: readonly string[];
}

/** Keys that do not fit together. */
export interface EdgeProblem {
  /** The key that should change. */
  readonly name: EdgeKey;
  /** A clause that follows the key, with a full stop. */
  readonly message: string;
  /** What mends it: keys with their values, or the name of one to take out. */
  readonly fix: { readonly set: EdgeKey; readonly to: string } | { readonly remove: EdgeKey };
}

/** CloudFront's control plane lives here: it takes certificates from nowhere else, and its logs are delivered from here. */
export const CLOUDFRONT_REGION = "us-east-1";

/**
 * Regions in which CloudFront has VPC origins, each with the ids of its availability zones that have none (Amazon
 * CloudFront Developer Guide, Restrict access with VPC origins, Supported AWS Regions).
 */
const VPC_ORIGIN_REGIONS: Readonly<Record<string, readonly string[]>> = {
  "af-south-1": [],
  "ap-east-1": [],
  "ap-east-2": [],
  "ap-northeast-1": ["apne1-az3"],
  "ap-northeast-2": [],
  "ap-northeast-3": [],
  "ap-south-1": [],
  "ap-south-2": [],
  "ap-southeast-1": [],
  "ap-southeast-2": [],
  "ap-southeast-3": [],
  "ap-southeast-4": [],
  "ap-southeast-5": [],
  "ap-southeast-7": [],
  "ca-central-1": ["cac1-az3"],
  "ca-west-1": [],
  "eu-central-1": [],
  "eu-central-2": [],
  "eu-north-1": [],
  "eu-south-1": [],
  "eu-south-2": [],
  "eu-west-1": [],
  "eu-west-2": [],
  "eu-west-3": [],
  "il-central-1": [],
  "me-central-1": [],
  "me-south-1": [],
  "mx-central-1": [],
  "sa-east-1": [],
  "us-east-1": ["use1-az3"],
  "us-east-2": [],
  "us-west-1": ["usw1-az2"],
  "us-west-2": [],
};

/** Ids of the region's availability zones in which CloudFront has no VPC origins. */
export function zonesWithoutVpcOrigin(region: string): readonly string[] {
  return VPC_ORIGIN_REGIONS[region] ?? [];
}

/** Characters of a name for which ACM issues a certificate (ACM API Reference, RequestCertificate, DomainName). */
const LONGEST_ISSUED_NAME = 64;

/** Which edges use a key of {@link edgeDefinitions}, where not all do. */
const USED_BY: Partial<Readonly<Record<EdgeKey, readonly EdgeConfig["kind"][]>>> = {
  originAccess: ["cloudfront"],
  originTls: ["cloudfront"],
  originCertificateArn: ["cloudfront"],
  apiGatewayUrl: ["cloudfront", "api-gateway"],
  apiGatewayQueryStrings: ["cloudfront", "api-gateway"],
};

/** Query strings that a policy of CloudFront may name (Amazon CloudFront Developer Guide, quotas on policies). */
const MOST_QUERY_STRINGS = 10;

/** Stand where only the user knows the value. */
const EXAMPLES = {
  zoneId: "Z0123456789ABCDEFGHIJ",
  domain: "ws.example.com",
  originTls: "origin.example.com",
  apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
} as const;

/**
 * Reads the edge.
 * @param values legal each by itself.
 * @param key writes a key with its namespace.
 * @returns the edge, or everything that does not fit together; then there is at least one problem.
 */
export function readEdge(
  values: EdgeValues,
  region: string,
  key: (name: EdgeKey) => string,
): { readonly edge: EdgeConfig } | { readonly problems: readonly EdgeProblem[] } {
  const edge = edgeOf(values);
  const problems = [
    ...unusedKeys(values, key),
    ...wrongNames(values, region, key),
    ...wrongQueryStrings(values, key),
  ];
  if (typeof edge === "string") {
    problems.push({
      name: edge,
      message: `is missing, and ${key("edge")} ${values.edge} needs it.`,
      fix: { set: edge, to: EXAMPLES[edge] },
    });
    return { problems };
  }
  return problems.length > 0 ? { problems } : { edge };
}

/** The edge, or the key without which there is none. */
function edgeOf(values: EdgeValues): EdgeConfig | "domain" | "apiGatewayUrl" {
  const domain = ownName(values.domain, values.certificateArn, values.hostedZoneId);
  const originTls = ownName(values.originTls, values.originCertificateArn, values.hostedZoneId);
  const apiGateway = apiGatewayOf(values);
  switch (values.edge) {
    case "cloudfront":
      return {
        kind: "cloudfront",
        originAccess: values.originAccess,
        ...(originTls !== undefined && { originTls }),
        ...(domain !== undefined && { domain }),
        ...(apiGateway !== undefined && { apiGateway }),
      };
    case "load-balancer":
      return domain === undefined ? "domain" : { kind: "load-balancer", domain };
    case "api-gateway":
      return apiGateway === undefined
        ? "apiGatewayUrl"
        : { kind: "api-gateway", apiGateway, ...(domain !== undefined && { domain }) };
  }
}

/** What users of a legal edge must know, as sentences. */
export function edgeWarnings(
  edge: EdgeConfig,
  region: string,
  key: (name: EdgeKey) => string,
): readonly string[] {
  const warnings = [...foreignRecords(edge, key)];
  // AWS adds regions to the list.
  if (edge.kind === "cloudfront" && edge.originAccess === "private" && !(region in VPC_ORIGIN_REGIONS)) {
    warnings.push(
      `${key("originAccess")} is private, and ${region} is not in the list of regions where CloudFront has VPC origins. If AWS ` +
        `refuses the VPC origin, set ${key("originAccess")} to public.`,
    );
  }
  return warnings;
}

/** Records that nobody but the user can make, each as a sentence that names the output to point to. */
function foreignRecords(edge: EdgeConfig, key: (name: EdgeKey) => string): readonly string[] {
  const records: string[] = [];
  const target = edge.kind === "load-balancer" ? "loadBalancerDnsName" : "distributionDomainName";
  if (edge.domain !== undefined && edge.domain.zoneId === undefined) {
    records.push(
      `${key("hostedZoneId")} is empty: clients find nobody at ${edge.domain.name} until you point it to the output ${target}.`,
    );
  }
  if (
    edge.kind === "cloudfront" &&
    edge.originAccess === "public" &&
    edge.originTls !== undefined &&
    edge.originTls.zoneId === undefined
  ) {
    records.push(
      `${key("hostedZoneId")} is empty: CloudFront finds nobody at ${edge.originTls.name} until you point it to the output ` +
        "loadBalancerDnsName.",
    );
  }
  return records;
}

/**
 * Keys of {@link edgeDefinitions} that this edge does not use: whoever set them expects something that would not happen.
 * Other keys keep their value for the day on which the edge changes, and are not looked at here.
 */
function unusedKeys(values: EdgeValues, key: (name: EdgeKey) => string): readonly EdgeProblem[] {
  return Object.entries(USED_BY).flatMap(([name, edges]) => {
    // Object.entries forgets which keys it was given.
    const unused = name as EdgeKey;
    if (edges.includes(values.edge) || isDefault(values, unused)) return [];
    return {
      name: unused,
      message:
        `is ${JSON.stringify(encode(values[unused]))}, and ${key("edge")} is ${values.edge}, which does not use it: only ` +
        `${edges.join(" and ")} may have it.`,
      fix: { remove: unused },
    };
  });
}

function wrongNames(
  values: EdgeValues,
  region: string,
  key: (name: EdgeKey) => string,
): readonly EdgeProblem[] {
  const problems: EdgeProblem[] = [];
  const zone = values.hostedZoneId;
  const certificateRegion = values.edge === "load-balancer" ? region : CLOUDFRONT_REGION;
  for (const [name, arnName, wantedRegion] of [
    ["domain", "certificateArn", certificateRegion],
    ["originTls", "originCertificateArn", region],
  ] as const) {
    // What another edge does not use is said to be unused, and nothing else about it.
    if (USED_BY[name]?.includes(values.edge) === false) continue;
    const arn = values[arnName];
    if (values[name] === "") {
      if (arn === "") continue;
      problems.push({
        name: arnName,
        message: `is the certificate of ${key(name)}, which is missing.`,
        fix: { set: name, to: EXAMPLES[name] },
      });
    } else if (arn === "" && zone === "") {
      problems.push({
        name,
        message:
          `is ${values[name]}, and must have a certificate: give ${key(arnName)}, or ${key("hostedZoneId")} of a zone in ` +
          "which one is issued.",
        fix: { set: "hostedZoneId", to: EXAMPLES.zoneId },
      });
    } else if (arn === "" && values[name].length > LONGEST_ISSUED_NAME) {
      problems.push({
        name,
        message:
          `has ${values[name].length} characters, and a certificate is issued for at most ${LONGEST_ISSUED_NAME}: take a ` +
          `shorter name, or give ${key(arnName)}.`,
        fix: { set: name, to: EXAMPLES[name] },
      });
    }
    const [, arnRegion = wantedRegion] = CERTIFICATE_ARN.exec(arn) ?? [];
    if (arnRegion !== wantedRegion) {
      problems.push({
        name: arnName,
        message:
          `is in ${arnRegion}, and must be in ${wantedRegion}: ` +
          (name === "domain" && values.edge !== "load-balancer"
            ? `${key("edge")} is ${values.edge}, and CloudFront takes certificates from there only.`
            : "a load balancer takes certificates of its own region only."),
        fix: zone === "" ? { set: arnName, to: arn.replace(arnRegion, wantedRegion) } : { remove: arnName },
      });
    }
  }

  // A load balancer without its domain is told that, and needs the zone then.
  if (zone !== "" && values.domain === "" && values.originTls === "" && values.edge !== "load-balancer") {
    problems.push({
      name: "hostedZoneId",
      message: `is ${zone}, and there is no name for it: give ${key("domain")} or ${key("originTls")}, or leave it out.`,
      fix: { remove: "hostedZoneId" },
    });
  }
  if (values.edge === "cloudfront" && values.domain !== "" && values.domain === values.originTls) {
    problems.push({
      name: "originTls",
      message: `is ${values.originTls}, and must be another name than ${key("domain")}, which leads to CloudFront.`,
      fix: { set: "originTls", to: `origin.${values.domain}` },
    });
  }
  return problems;
}

function wrongQueryStrings(values: EdgeValues, key: (name: EdgeKey) => string): readonly EdgeProblem[] {
  const { apiGatewayQueryStrings: names } = values;
  if (names.length > MOST_QUERY_STRINGS) {
    return [
      {
        name: "apiGatewayQueryStrings",
        message: `are ${names.length}, and must be at most ${MOST_QUERY_STRINGS}.`,
        fix: { remove: "apiGatewayQueryStrings" },
      },
    ];
  }
  if (names.length > 0 && values.apiGatewayUrl === "" && values.edge === "cloudfront") {
    return [
      {
        name: "apiGatewayQueryStrings",
        message: `is ${JSON.stringify(names)}, and ${key("apiGatewayUrl")} is missing.`,
        fix: { remove: "apiGatewayQueryStrings" },
      },
    ];
  }
  return [];
}

function ownName(name: string, certificateArn: string, zoneId: string): OwnName | undefined {
  if (name === "") return undefined;
  if (zoneId === "") return { name, certificateArn };
  return { name, zoneId, ...(certificateArn !== "" && { certificateArn }) };
}

function apiGatewayOf({ apiGatewayUrl, apiGatewayQueryStrings }: EdgeValues): ApiGateway | undefined {
  const { host, stage } = API_URL.exec(apiGatewayUrl)?.groups ?? {};
  if (host === undefined || stage === undefined) return undefined;
  return { host, stage, queryStrings: apiGatewayQueryStrings };
}

function isDefault(values: EdgeValues, name: EdgeKey): boolean {
  return encode(values[name]) === encode(edgeDefinitions[name].default);
}

function orEmpty(pattern: RegExp): RegExp {
  return new RegExp(`(${pattern.source})?`);
}
