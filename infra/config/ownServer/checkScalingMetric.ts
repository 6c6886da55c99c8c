/** The rules of the argument `scalingMetric`. */
import type { Problem } from "../../../app/src/settings/problem.ts";
import { checkEntries, checkFields, choice, isObject, problemOf, record, text } from "./fields.ts";
import type { Field } from "./fields.ts";

/** @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html */
const MAX_DIMENSIONS = 30;
const NAME: Field = { ...text(/^[ -~]{1,255}$/, "1 to 255 printable ASCII characters"), isInput: true };
const DIMENSION_NAME = /^(?!:)[ -~]{1,255}$/;

const FIELDS: Readonly<Record<string, Field>> = {
  namespace: NAME,
  name: NAME,
  dimensions: record(MAX_DIMENSIONS),
  statistic: choice(["Average", "Maximum", "Minimum", "SampleCount", "Sum"]),
  unit: text(/^[A-Za-z/]{1,32}$/, "a unit of CloudWatch, such as Count"),
  target: {
    isLegal: (value) => typeof value === "number" && value > 0 && Number.isFinite(value),
    expected: "a number above 0",
  },
};

/** Returns a problem for each rule that the metric breaks. */
export function checkScalingMetric(metric: unknown): readonly Problem[] {
  if (!isObject(metric)) {
    return [problemOf("scalingMetric", metric, "an object with namespace, name and target")];
  }
  const missing = ["namespace", "name", "target"].filter((name) => metric[name] === undefined);
  return [
    ...missing.map((name) => problemOf(`scalingMetric.${name}`, undefined, FIELDS[name]?.expected ?? "")),
    ...checkFields("scalingMetric", metric, FIELDS),
    ...checkEntries("scalingMetric.dimensions", metric["dimensions"], DIMENSION_NAME, NAME),
  ];
}
