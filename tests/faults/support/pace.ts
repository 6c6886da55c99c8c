/** Calls `act` that often, with the number of calls before it; those that came due within an interval come together. */
export function atRate(perSecond: number, intervalMs: number, act: (count: number) => void): NodeJS.Timeout {
  const startedAt = performance.now();
  let count = 0;
  return setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    for (; count < due; count++) act(count);
  }, intervalMs);
}
