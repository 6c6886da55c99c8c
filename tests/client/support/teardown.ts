const actions: (() => unknown)[] = [];

export function afterwards(action: () => unknown): void {
  actions.push(action);
}

/** Runs the actions of {@link afterwards}, the newest first. Each test file calls it in `afterEach`. */
export async function tearDown(): Promise<void> {
  for (const action of actions.splice(0).reverse()) await action();
}
