import * as pulumi from "@pulumi/pulumi";

/**
 * Returns a value of a lookup that AWS always has. Pulumi returns empty results in a preview if the configuration of the provider
 * depends on a new resource, such as the role that it assumes. The value is then unknown.
 * @throws {Error} with the message, if AWS did not return the value.
 */
export function requireResult<Value>(value: Value | undefined, message: string): Value {
  if (value !== undefined) return value;
  if (!pulumi.runtime.isDryRun()) throw new Error(message);
  // An output with this value is unknown.
  return pulumi.unknown as unknown as Value;
}
