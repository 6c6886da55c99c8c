import type { Page, PageEvent } from "../platform/platform.ts";

const PAGE_EVENTS = ["visibilitychange", "pageshow", "resume", "online", "offline"];

/**
 * Calls `onReturn` when the page becomes visible, resumes or goes online.
 * @param onReturn `hasLostConnections` reports that no connection can have survived: the network is a new one, or the page
 * comes from the back/forward cache.
 * @returns a function that stops the calls.
 */
export function watchPage(
  page: Page,
  onReturn: (event: { readonly hasLostConnections: boolean }) => void,
): () => void {
  let wasOffline = false;
  const listener = ({ type, persisted }: PageEvent): void => {
    if (type === "offline") {
      wasOffline = true;
      return;
    }
    if (type === "visibilitychange" && page.document?.visibilityState === "hidden") return;
    const isNewNetwork = type === "online" && wasOffline;
    if (type === "online") wasOffline = false;
    onReturn({ hasLostConnections: isNewNetwork || persisted === true });
  };
  for (const type of PAGE_EVENTS) page.addEventListener?.(type, listener);
  return () => {
    for (const type of PAGE_EVENTS) page.removeEventListener?.(type, listener);
  };
}
