import type * as pulumi from "@pulumi/pulumi";

/**
 * A change of a resource before it is declared: values that replace its arguments, or a function that changes its arguments and
 * options in place.
 */
export type Transform<Args> =
  Partial<Args> | ((args: Args, opts: pulumi.CustomResourceOptions, name: string) => void);

/**
 * Applies a transform to copies, and returns the parameters of a resource's constructor:
 * `new aws.lb.LoadBalancer(...applyTransform(transform?.loadBalancer, name, args, opts))`.
 */
export function applyTransform<Args extends object>(
  transform: Transform<Args> | undefined,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [name: string, args: Args, opts: pulumi.CustomResourceOptions] {
  if (typeof transform !== "function") return [name, { ...args, ...transform }, opts];
  const copies = { args: { ...args }, opts: { ...opts } };
  transform(copies.args, copies.opts, name);
  return [name, copies.args, copies.opts];
}
