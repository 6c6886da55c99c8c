/** What clients connect to: the keys of {@link edgeDefinitions}, read into one value of which every case can be declared. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../app/src/settings/problem.ts";
import { API_URL } from "./edgeDefinitions.ts";
import type { EdgeKey, EdgeValues } from "./edgeDefinitions.ts";
import { readListener } from "./existingConfig.ts";
import type { ListenerConfig } from "./existingConfig.ts";
import type { ExistingValues } from "./existingDefinitions.ts";
import { checkEdge } from "./rules/edgeRules.ts";
import { VPC_ORIGIN_REGIONS } from "./data/regions.ts";

/** What clients connect to, and what is behind it. */
export type EdgeConfig =
  | {
      readonly kind: "cloudfront";
      readonly originAccess: "public" | "private";
      /** Without it, CloudFront connects to the load balancer by HTTP. */
      readonly originTls?: CustomDomain;
      readonly domain?: CustomDomain;
      /** It has a distribution beside the one of the service. */
      readonly apiGateway?: ApiGateway;
      /** The listener that CloudFront connects to. @default the load balancer of the stack */
      readonly listener?: ListenerConfig & {
        /** A name in its certificate. Without it, CloudFront connects by HTTP. */
        readonly tlsName?: string;
      };
    }
  | {
      readonly kind: "load-balancer";
      /** Required: no certificate can contain the DNS name of a load balancer. */
      readonly domain: CustomDomain;
      readonly listener?: undefined;
    }
  | {
      readonly kind: "load-balancer";
      readonly domain: ListenerDomain;
      /** The listener that clients connect to. */
      readonly listener: ListenerConfig;
    }
  | { readonly kind: "api-gateway"; readonly apiGateway: ApiGateway; readonly domain?: CustomDomain };

/** The edge of one kind. */
export type EdgeOf<Kind extends EdgeConfig["kind"]> = Extract<EdgeConfig, { kind: Kind }>;

/** A custom domain. Its certificate is configured, or ACM issues it in the zone. Without a zone, the user creates its records. */
export type CustomDomain =
  | {
      readonly name: string;
      readonly zoneId: pulumi.Input<string>;
      readonly certificateArn?: pulumi.Input<string>;
    }
  | { readonly name: string; readonly zoneId?: undefined; readonly certificateArn: pulumi.Input<string> };

/** A custom domain at an existing listener, which can have the certificate. */
export type ListenerDomain =
  CustomDomain | { readonly name: string; readonly zoneId?: undefined; readonly certificateArn?: undefined };

/** The values that determine the edge. */
export type EdgeInput = EdgeValues & Pick<ExistingValues, "listenerArn" | "listenerRulePriority">;

/** A stage of a WebSocket API in API Gateway. */
export interface ApiGateway {
  /** Such as `abcdef1234.execute-api.us-east-1.amazonaws.com`. */
  readonly host: string;
  readonly stage: string;
  /** Query strings that CloudFront forwards. */
  readonly queryStrings: readonly string[];
}

/**
 * Reads the edge.
 * @param values legal each by itself.
 * @param region without it, the rules that depend on it are not checked.
 * @param keyOf adds the namespace to a key.
 * @returns the edge, or at least one problem if the values contradict each other.
 */
export function readEdge(
  values: EdgeInput,
  region: string | undefined,
  keyOf: (name: EdgeKey) => string,
): { readonly edge: EdgeConfig } | { readonly problems: readonly Problem[] } {
  const edge = edgeOf(values);
  const problems = [...checkEdge(values, region, keyOf)];
  if (typeof edge === "string") {
    const key = keyOf(edge);
    const expected = `a value, which ${keyOf("edge")} ${values.edge} requires`;
    return { problems: [...problems, { key, got: "nothing", expected, fix: [{ ask: key }] }] };
  }
  return problems.length > 0 ? { problems } : { edge };
}

/** The edge, or the missing key that it requires. */
function edgeOf(values: EdgeInput): EdgeConfig | "domain" | "apiGatewayUrl" {
  const domain = customDomainOf(values.domain, values.certificateArn, values.hostedZoneId);
  const listener = readListener(values);
  // An existing listener has its own certificate and DNS records.
  const originTls =
    listener === undefined
      ? customDomainOf(values.originTls, values.originCertificateArn, values.hostedZoneId)
      : undefined;
  const apiGateway = apiGatewayOf(values);
  switch (values.edge) {
    case "cloudfront":
      return {
        kind: "cloudfront",
        originAccess: values.originAccess,
        ...(originTls !== undefined && { originTls }),
        ...(domain !== undefined && { domain }),
        ...(apiGateway !== undefined && { apiGateway }),
        ...(listener !== undefined && {
          listener: { ...listener, ...(values.originTls !== "" && { tlsName: values.originTls }) },
        }),
      };
    case "load-balancer":
      if (domain === undefined) return "domain";
      return listener === undefined
        ? { kind: "load-balancer", domain }
        : {
            kind: "load-balancer",
            domain:
              domain.zoneId === undefined && domain.certificateArn === "" ? { name: domain.name } : domain,
            listener,
          };
    case "api-gateway":
      return apiGateway === undefined
        ? "apiGatewayUrl"
        : { kind: "api-gateway", apiGateway, ...(domain !== undefined && { domain }) };
  }
}

/** Warnings about a legal edge, as sentences. */
export function edgeWarnings(edge: EdgeConfig, region: string): readonly string[] {
  const warnings = [...missingRecords(edge)];
  // AWS adds regions to the list.
  if (edge.kind === "cloudfront" && edge.originAccess === "private" && !(region in VPC_ORIGIN_REGIONS)) {
    warnings.push(
      `originAccess is private, and ${region} is not in the list of regions that support VPC origins. If AWS rejects the VPC ` +
        "origin, set originAccess to public.",
    );
  }
  return warnings;
}

/** DNS records that the program cannot create, each as a sentence that names the output to point to. */
function missingRecords(edge: EdgeConfig): readonly string[] {
  const warning = (client: string, { name }: Pick<CustomDomain, "name">, output: string): string =>
    `hostedZoneId is empty: ${client} cannot resolve ${name} until you point it to the output ${output}.`;
  const records: string[] = [];
  if (edge.domain !== undefined && edge.domain.zoneId === undefined) {
    const output = edge.kind === "load-balancer" ? "loadBalancerDnsName" : "distributionDomainName";
    records.push(warning("clients", edge.domain, output));
  }
  if (edge.kind !== "cloudfront" || edge.originAccess !== "public") return records;
  if (edge.originTls !== undefined && edge.originTls.zoneId === undefined) {
    records.push(warning("CloudFront", edge.originTls, "loadBalancerDnsName"));
  }
  return records;
}

function customDomainOf(
  name: string,
  certificateArn: pulumi.Input<string>,
  zoneId: pulumi.Input<string>,
): CustomDomain | undefined {
  if (name === "") return undefined;
  if (zoneId === "") return { name, certificateArn };
  return { name, zoneId, ...(certificateArn !== "" && { certificateArn }) };
}

function apiGatewayOf({ apiGatewayUrl, apiGatewayQueryStrings }: EdgeValues): ApiGateway | undefined {
  const { host, stage } = API_URL.exec(apiGatewayUrl)?.groups ?? {};
  if (host === undefined || stage === undefined) return undefined;
  return { host, stage, queryStrings: apiGatewayQueryStrings };
}
