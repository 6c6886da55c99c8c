/** A finding that stands. One that the pack does not find is an error. */
export interface Suppression {
  /** Id of the rule, such as `CFR4`. */
  readonly rule: string;
  /** Types of the component and of its resource, as in a URN: `websocket:infra:Edge$aws:cloudfront/…:Distribution`. */
  readonly resource: string;
  /** In which configurations there is something to let stand, as a clause; in all by default. */
  readonly when?: string;
  /** The findings that stand, as the pack words them, where the rule may have others. All by default. */
  readonly findings?: readonly string[];
  /** Why it stands, for whoever audits the stack. */
  readonly reason: string;
}
