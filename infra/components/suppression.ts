/** An accepted finding of the policy pack. The pack reports a suppression that matches no finding as an error. */
export interface Suppression {
  /** Rule ID, such as `CFR4`. */
  readonly rule: string;
  /** Types of the component and its resource, as at the end of a URN: `websocket:infra:Network$aws:ec2/…:FlowLog`. */
  readonly resource: string;
  /** Configurations that have this finding, as a clause. @default all configurations */
  readonly when?: string;
  /** Accepted findings, as the pack reports them. @default all findings of the rule */
  readonly findings?: readonly string[];
  /** Why the finding is accepted, for an audit. */
  readonly reason: string;
}
