/**
 * Returns the resource option `protect` only if it is true: `false` would also override the option of the whole component, which
 * its resources otherwise inherit.
 */
export function protectIf(protect: boolean): { readonly protect?: true } {
  return protect ? { protect: true } : {};
}
