import type { ConnectionContext } from "../../connection/connectionContext.ts";
import { toWireName } from "../../wire/channelName.ts";
import { Problem } from "../problem.ts";
import type { Requester } from "./requesters.ts";

/**
 * Asks the handlers whether the sender of a request may read a channel. A backend may.
 * @returns a function to call once, when the reading has ended.
 * @throws {Problem} if it may not.
 */
export async function askToRead(
  { hooks }: Pick<ConnectionContext, "hooks">,
  { publisher: user, isBackend }: Requester,
  channel: string,
): Promise<() => void> {
  if (hooks === undefined || isBackend) return () => undefined;
  const event = { user, channel: toWireName(channel) };
  const refusal = await hooks.subscribe(event);
  if (refusal !== undefined) throw Problem.of(refusal);
  return () => {
    hooks.unsubscribe(event);
  };
}
