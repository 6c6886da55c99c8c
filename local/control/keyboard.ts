/** The keys that apply faults in a terminal. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import type { ActiveFault, ObservedStack } from "../events.ts";
import type { FaultControl } from "./faultControl.ts";
import type { Fault } from "./faults.ts";

const HELP_KEY = "?";
/** Other keys, such as Ctrl-C and Enter, have their own meaning in a terminal. */
const PRINTABLE = /^[!-~]$/;

export interface KeyboardOptions {
  readonly stack: Pick<ObservedStack, "status"> & { readonly faults: FaultControl };
  /** Prints lines between the events. */
  readonly print: (lines: readonly string[]) => void;
}

/**
 * Handles the keys of a terminal in raw mode. A fault's key applies it, or ends it if it is active. A digit selects the task to
 * which later keys apply; until then it is the first one. If the selected task has ended, the next key only selects another one.
 * @returns a function that handles one key.
 */
export function createKeyboard({ stack, print }: KeyboardOptions): (key: string) => void {
  const { faults } = stack;
  let selected: string | undefined;

  function runningTasks(): readonly string[] {
    return stack.status().flatMap(({ id, health }) => (health === "stopping" ? [] : [id]));
  }

  function isActive(id: string, task: string | undefined): boolean {
    return faults.active().some((active) => active.fault === id && active.task === task);
  }

  function selectRunning(): string | undefined {
    const running = runningTasks();
    if (selected !== undefined && running.includes(selected)) return selected;
    const [first] = running;
    selected = first ?? selected;
    return first;
  }

  /** @returns `undefined` if the key must do nothing, because the user has not chosen the task to which it would apply. */
  function taskForFault(id: string): string | undefined {
    const previous = selected;
    // The fault of a task that is stopping can still be ended.
    if (previous !== undefined && isActive(id, previous)) return previous;
    const task = selectRunning();
    if (task === undefined) print(["No task is running."]);
    else if (previous !== undefined && task !== previous) {
      print([`${previous} is stopping or has ended, so the key did nothing. The keys now apply to ${task}.`]);
      return undefined;
    }
    return task;
  }

  function toggle({ id, takesTask }: Fault): void {
    const task = takesTask ? taskForFault(id) : undefined;
    if (takesTask && task === undefined) return;
    if (isActive(id, task)) faults.end(id, task);
    else faults.apply(id, task);
  }

  return (key) => {
    if (key === HELP_KEY) {
      print(describeKeys(faults.faults, faults.active(), selectRunning()));
      return;
    }
    if (/^[1-9]$/.test(key)) {
      const running = runningTasks();
      const task = running[Number(key) - 1];
      if (task === undefined) {
        print([`The key ${key} selects no task; running tasks: ${running.length}.`]);
        return;
      }
      selected = task;
      print([`The keys now apply to ${task}.`]);
      return;
    }
    const fault = faults.faults.find((candidate) => candidate.key === key);
    if (fault === undefined) {
      if (PRINTABLE.test(key)) print([`${key} is not a key of this stack; ${HELP_KEY} lists the keys.`]);
      return;
    }
    try {
      toggle(fault);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      print([error.message]);
    }
  };
}

function describeKeys(
  faults: readonly Fault[],
  active: readonly ActiveFault[],
  task: string | undefined,
): readonly string[] {
  return [
    "A key applies a fault, and the same key ends it:",
    ...faults.map(({ id, key, description }) => `  ${key}    ${description}${describeActive(id, active)}`),
    `  1-9  select the task${task === undefined ? "" : `, which is ${task} now`}`,
  ];
}

function describeActive(id: string, active: readonly ActiveFault[]): string {
  const own = active.filter(({ fault }) => fault === id);
  if (own.length === 0) return "";
  const tasks = own.flatMap(({ task }) => (task === undefined ? [] : [task]));
  return tasks.length === 0 ? " (active)" : ` (active on ${tasks.join(", ")})`;
}
