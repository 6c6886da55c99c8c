/**
 * Reads the log lines from which CloudWatch creates metrics.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */

export interface MetricIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Values by the name of the dimension. Metrics with other dimensions are other metrics. */
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface MetricDatum extends MetricIdentity {
  readonly value: number;
}

/**
 * CloudWatch extracts at most 100 metrics from a directive. The bound also applies to the other lists and to the values of a line,
 * because a directive has a value for each pair of a metric and a set of dimensions.
 */
const MAX_ITEMS = 100;

/**
 * CloudWatch refuses larger values.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
 */
const MAX_VALUE = 2 ** 360;

type Fields = Readonly<Record<string, unknown>>;

/** The values of a line: one for each metric and set of dimensions. Whatever does not have the documented form is left out. */
export function readEmbeddedMetrics(line: string): readonly MetricDatum[] {
  const document = parse(line);
  return listIn(fieldsOf(document["_aws"]), "CloudWatchMetrics")
    .flatMap((directive) => readDirective(fieldsOf(directive), document))
    .slice(0, MAX_ITEMS);
}

function readDirective(directive: Fields, document: Fields): readonly MetricDatum[] {
  const namespace = directive["Namespace"];
  if (typeof namespace !== "string") return [];
  return listIn(directive, "Dimensions").flatMap((names) => {
    const dimensions = readDimensions(names, document);
    if (dimensions === undefined) return [];
    return listIn(directive, "Metrics").flatMap((metric) => {
      const name = fieldsOf(metric)["Name"];
      const value = typeof name === "string" ? document[name] : undefined;
      return typeof name === "string" && typeof value === "number" && Math.abs(value) <= MAX_VALUE
        ? [{ namespace, name, dimensions, value }]
        : [];
    });
  });
}

/** `undefined` if the document does not have a value for each of the names. */
function readDimensions(names: unknown, document: Fields): Readonly<Record<string, string>> | undefined {
  if (!Array.isArray(names)) return undefined;
  const dimensions: Record<string, string> = {};
  for (const name of names) {
    const value = typeof name === "string" ? document[name] : undefined;
    if (typeof name !== "string" || typeof value !== "string") return undefined;
    dimensions[name] = value;
  }
  return dimensions;
}

export function isSameMetric(one: MetricIdentity, other: MetricIdentity): boolean {
  const [names, otherNames] = [Object.keys(one.dimensions), Object.keys(other.dimensions)];
  return (
    one.namespace === other.namespace &&
    one.name === other.name &&
    names.length === otherNames.length &&
    names.every((name) => one.dimensions[name] === other.dimensions[name])
  );
}

function parse(line: string): Fields {
  try {
    return fieldsOf(JSON.parse(line));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function listIn(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS) : [];
}
