type Data = Readonly<Record<string, unknown>>;

/**
 * Returns the inputs with another value at a path. `[]` is the first item of a list, and JSON in a string remains JSON. Missing
 * objects and lists are created.
 */
export function withValue(inputs: Data, path: string, value: unknown): Data {
  return changed(inputs, path.match(/[^.[\]]+|\[\]/g) ?? [], value) as Data; // The copy of an object is an object.
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
