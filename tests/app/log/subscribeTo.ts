import type { LogReader, MessageLog } from "../../../app/src/log/log.ts";

/** Subscribes a reader. @returns its undo. */
export function subscribeTo(log: MessageLog, channel: string, reader: LogReader): () => void {
  log.subscribe(channel, reader);
  return () => {
    log.unsubscribe(channel, reader);
  };
}
