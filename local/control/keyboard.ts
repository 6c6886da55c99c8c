/** The keys that apply faults in a terminal. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import type { ObservedStack } from "../events.ts";
import type { FaultControl } from "./faultControl.ts";
import type { Fault } from "./faults.ts";

const HELP_KEY = "?";

export interface KeyboardOptions {
  readonly stack: ObservedStack & { readonly faults: FaultControl };
  /** Prints lines between the events. */
  readonly print: (lines: readonly string[]) => void;
}

/**
 * Handles the keys of a terminal in raw mode. A fault's key applies it, or ends it if it is active. A digit selects the task to
 * which later keys apply; until then it is the first one.
 * @returns a function that handles one key.
 */
export function createKeyboard({ stack, print }: KeyboardOptions): (key: string) => void {
  const { faults } = stack;
  let selected: string | undefined;

  function runningTasks(): readonly string[] {
    return stack.status().flatMap(({ id, health }) => (health === "stopping" ? [] : [id]));
  }

  function taskForFaults(): string | undefined {
    const running = runningTasks();
    return selected !== undefined && running.includes(selected) ? selected : running[0];
  }

  function toggle(fault: Fault): void {
    const task = fault.takesTask ? taskForFaults() : undefined;
    const isActive = faults.active().some((active) => active.fault === fault.id && active.task === task);
    if (isActive) faults.end(fault.id, task);
    else faults.apply(fault.id, task);
  }

  return (key) => {
    if (key === HELP_KEY) {
      print(describeKeys(faults.faults, taskForFaults()));
      return;
    }
    if (/^[1-9]$/.test(key)) {
      const task = runningTasks()[Number(key) - 1];
      if (task === undefined) return;
      selected = task;
      print([`The keys now apply to ${task}.`]);
      return;
    }
    const fault = faults.faults.find((candidate) => candidate.key === key);
    if (fault === undefined) return;
    try {
      toggle(fault);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      print([error.message]);
    }
  };
}

export function describeKeys(faults: readonly Fault[], task: string | undefined): readonly string[] {
  return [
    "A key applies a fault, and the same key ends it:",
    ...faults.map(({ key, description }) => `  ${key}    ${description}`),
    `  1-9  select the task${task === undefined ? "" : `, which is ${task} now`}`,
  ];
}
