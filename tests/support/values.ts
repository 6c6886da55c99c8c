/** Reads values in plain data of unknown type. Each function fails with the path if the value has another type. */
import assert from "node:assert/strict";

type Data = Readonly<Record<string, unknown>>;

/** Returns the value at a path such as `origins[0].customHeaders[0].name`. */
export function valueAt(data: unknown, path: string): unknown {
  let value = data;
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    assert.ok(typeof value === "object" && value !== null, `nothing to read ${step} of in ${path}`);
    value = (value as Data)[step];
  }
  return value;
}

/** Returns the object at a path. */
export function at(data: unknown, path: string): Data {
  const value = valueAt(data, path);
  assert.ok(
    typeof value === "object" && value !== null,
    `${path} is ${JSON.stringify(value)}, not an object`,
  );
  return value as Data;
}

export function list(data: unknown, path: string): readonly unknown[] {
  const value = valueAt(data, path);
  assert.ok(Array.isArray(value), `${path} is ${JSON.stringify(value)}, not a list`);
  return value;
}

export function text(data: unknown, path: string): string {
  const value = valueAt(data, path);
  assert.ok(typeof value === "string", `${path} is ${JSON.stringify(value)}, not text`);
  return value;
}

export function number(data: unknown, path: string): number {
  const value = valueAt(data, path);
  assert.ok(typeof value === "number", `${path} is ${JSON.stringify(value)}, not a number`);
  return value;
}
