/** Plain data, only: a test's own program uses it, where Pulumi's values are known. */
type Data = Readonly<Record<string, unknown>>;

/**
 * The inputs with another value at a path; `[]` is the first item of a list, and JSON inside a string stays JSON.
 * What is not there on the way is made.
 */
export function withValue(inputs: Data, path: string, value: unknown): Data {
  return changed(inputs, path.match(/[^.[\]]+|\[\]/g) ?? [], value) as Data; // What was an object stays one.
}

function changed(data: unknown, steps: readonly string[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof data === "string") return JSON.stringify(changed(JSON.parse(data), steps, value));
  if (step === "[]") {
    const [first, ...others] = Array.isArray(data) ? (data as readonly unknown[]) : [];
    return [changed(first, rest, value), ...others];
  }
  const fields = typeof data === "object" && data !== null ? { ...data } : {};
  return { ...fields, [step]: changed((fields as Data)[step], rest, value) };
}
