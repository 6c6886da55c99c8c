/** Rules between the keys of the edge. Values that are outputs of other resources are not known, and are not checked. */
import type { Problem } from "../../../app/src/settings/problem.ts";
import { CERTIFICATE_ARN } from "../edgeDefinitions.ts";
import type { EdgeKey, EdgeValues } from "../edgeDefinitions.ts";
import { CLOUDFRONT_REGION } from "../data/regions.ts";
import type { ExistingValues } from "../existingDefinitions.ts";
import { isDefault, removal, unusedKey } from "./unusedKeys.ts";

type KeyOf = (name: EdgeKey) => string;

/** The values that the rules read. An existing listener can have the certificates. */
type RuleValues = EdgeValues & Pick<ExistingValues, "listenerArn">;

/** The edges that use a key, if not all do. */
const USED_BY: Partial<Readonly<Record<EdgeKey, readonly EdgeValues["edge"][]>>> = {
  originAccess: ["cloudfront"],
  originTls: ["cloudfront"],
  originCertificateArn: ["cloudfront"],
  apiGatewayUrl: ["cloudfront", "api-gateway"],
  apiGatewayQueryStrings: ["cloudfront", "api-gateway"],
};

/** Characters of the longest name for which ACM issues a certificate (ACM API Reference, RequestCertificate, DomainName). */
const MAX_ISSUED_NAME_LENGTH = 64;

/** Query strings in a policy of CloudFront (Amazon CloudFront Developer Guide, quotas on policies). */
const MAX_QUERY_STRINGS = 10;

/**
 * Returns a problem for each rule that the keys of the edge break.
 * @param values legal each by itself.
 * @param keyOf adds the namespace to a key.
 */
export function checkEdge(values: RuleValues, region: string | undefined, keyOf: KeyOf): readonly Problem[] {
  return [
    ...findUnusedKeys(values, keyOf),
    ...checkCertificates(values, region, keyOf),
    ...checkNames(values, keyOf),
    ...checkQueryStrings(values, keyOf),
  ];
}

/** Keys that this edge does not use: a value there would have no effect. */
function findUnusedKeys(values: EdgeValues, keyOf: KeyOf): readonly Problem[] {
  return Object.entries(USED_BY).flatMap(([name, edges]) => {
    // Object.entries widens the keys to strings.
    const unused = name as EdgeKey;
    if (edges.includes(values.edge) || isDefault(unused, values[unused])) return [];
    const users = `${edges.join(" and ")} ${edges.length === 1 ? "uses" : "use"}`;
    const reason = `because only ${keyOf("edge")} ${users} it (now ${values.edge})`;
    return unusedKey(unused, values[unused], reason, keyOf);
  });
}

function checkCertificates(values: RuleValues, region: string | undefined, keyOf: KeyOf): readonly Problem[] {
  return [
    ...checkCertificate(
      values,
      "domain",
      "certificateArn",
      values.edge === "load-balancer" ? region : CLOUDFRONT_REGION,
      keyOf,
    ),
    ...(values.listenerArn === ""
      ? checkCertificate(values, "originTls", "originCertificateArn", region, keyOf)
      : []),
  ];
}

/** Checks the certificate of one name: it is given, or ACM can issue it in the hosted zone. */
function checkCertificate(
  values: RuleValues,
  name: "domain" | "originTls",
  arnName: "certificateArn" | "originCertificateArn",
  requiredRegion: string | undefined,
  keyOf: KeyOf,
): readonly Problem[] {
  // An unused key has one problem, that it is unused.
  if (USED_BY[name]?.includes(values.edge) === false) return [];
  const { [name]: domain, [arnName]: arn, hostedZoneId: zone } = values;
  const listenerCanHaveIt = values.edge === "load-balancer" && values.listenerArn !== "";
  const problems: Problem[] = [];
  if (domain === "" && arn !== "") {
    const problem = unusedKey(arnName, arn, `because ${keyOf(name)} is empty`, keyOf);
    problems.push({ ...problem, fix: [{ ask: keyOf(name) }], alternative: problem.fix });
  } else if (domain !== "" && arn === "" && zone === "" && !listenerCanHaveIt) {
    problems.push({
      key: keyOf(name),
      got: JSON.stringify(domain),
      expected: `a certificate in ${keyOf(arnName)}, or a zone in ${keyOf("hostedZoneId")} in which ACM can issue one`,
      fix: [{ ask: keyOf("hostedZoneId") }],
      alternative: [{ ask: keyOf(arnName) }],
    });
  } else if (arn === "" && domain.length > MAX_ISSUED_NAME_LENGTH && !(zone === "" && listenerCanHaveIt)) {
    problems.push({
      key: keyOf(name),
      got: `${domain.length} characters`,
      expected: `at most ${MAX_ISSUED_NAME_LENGTH}, for which ACM issues a certificate, or one in ${keyOf(arnName)}`,
      fix: [{ ask: keyOf(name) }],
      alternative: [{ ask: keyOf(arnName) }],
    });
  }
  const [, arnRegion] = typeof arn === "string" ? (CERTIFICATE_ARN.exec(arn) ?? []) : [];
  if (arnRegion !== undefined && requiredRegion !== undefined && arnRegion !== requiredRegion) {
    const isOfCloudFront = name === "domain" && values.edge !== "load-balancer";
    problems.push({
      key: keyOf(arnName),
      got: `a certificate in ${arnRegion}`,
      expected: `one in ${requiredRegion}, because ${
        isOfCloudFront
          ? "CloudFront accepts certificates only from there"
          : "a load balancer accepts certificates only from its own region"
      }`,
      fix: [zone === "" ? { ask: keyOf(arnName) } : removal(arnName, keyOf)],
    });
  }
  return problems;
}

function checkNames(values: EdgeValues, keyOf: KeyOf): readonly Problem[] {
  const { edge, domain, originTls, hostedZoneId: zone } = values;
  const problems: Problem[] = [];
  // The edge load-balancer requires a domain, and then uses the zone.
  if (zone !== "" && domain === "" && originTls === "" && edge !== "load-balancer") {
    const reason = `because ${keyOf("domain")} and ${keyOf("originTls")} are empty`;
    problems.push(unusedKey("hostedZoneId", zone, reason, keyOf));
  }
  if (edge === "cloudfront" && domain !== "" && domain === originTls) {
    problems.push({
      key: keyOf("originTls"),
      got: JSON.stringify(originTls),
      expected: `another name than ${keyOf("domain")}, which resolves to CloudFront`,
      fix: [{ ask: keyOf("originTls") }],
    });
  }
  return problems;
}

function checkQueryStrings(values: EdgeValues, keyOf: KeyOf): readonly Problem[] {
  const { apiGatewayQueryStrings: names, apiGatewayUrl, edge } = values;
  const problem = { key: keyOf("apiGatewayQueryStrings"), fix: [removal("apiGatewayQueryStrings", keyOf)] };
  if (names.length > MAX_QUERY_STRINGS) {
    return [{ ...problem, got: `${names.length} names`, expected: `at most ${MAX_QUERY_STRINGS}` }];
  }
  if (names.length > 0 && apiGatewayUrl === "" && edge === "cloudfront") {
    return [
      {
        ...problem,
        got: JSON.stringify(names),
        expected: `no value, because ${keyOf("apiGatewayUrl")} is empty`,
      },
    ];
  }
  return [];
}
