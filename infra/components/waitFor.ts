import * as pulumi from "@pulumi/pulumi";

/**
 * Returns the value after all resources have been created or updated.
 *
 * It waits for their URNs, because a preview has the URN of a new resource but not its ARN. With an ARN, every dependent
 * resource would look changed in a preview that adds a resource.
 */
export function waitFor(
  resources: readonly pulumi.Resource[],
  value: pulumi.Input<string>,
): pulumi.Output<string> {
  return pulumi.all([value, resources.map(({ urn }) => urn)]).apply(([known]) => known);
}
