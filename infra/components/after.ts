import * as pulumi from "@pulumi/pulumi";

/**
 * The value, when the resources are created or updated. By their URNs, which a preview knows of resources that are not
 * there yet: by an ARN, a new resource would make everything that waits for it look changed.
 */
export function after(
  resources: readonly pulumi.Resource[],
  value: pulumi.Input<string>,
): pulumi.Output<string> {
  return pulumi.all([value, resources.map(({ urn }) => urn)]).apply(([known]) => known);
}
