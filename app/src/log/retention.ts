/** The newest entries of each channel that a log retains: at least up to the first of these limits. */
export interface Retention {
  readonly retainedMessages: number;
  /** Bytes of the payloads in UTF-8. */
  readonly retainedBytes: number;
  readonly retainedSeconds: number;
}
