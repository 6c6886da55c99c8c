/** What a log keeps of each channel: the newest entries, at least until the first of these limits is reached. */
export interface Retention {
  readonly retainedMessages: number;
  /** Of the payloads alone, as UTF-8. */
  readonly retainedBytes: number;
  readonly retainedSeconds: number;
}
