/** Applies and ends faults, and keeps which of them are active. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { suggest } from "../../app/src/settings/nearest.ts";
import type { ActiveFault, EmitEvent, StackEvent } from "../events.ts";
import { type Fault, FAULTS, type FaultTarget, type Undo } from "./faults.ts";

export interface FaultControl {
  /** The faults that this stack has. */
  readonly faults: readonly Fault[];
  /** Oldest first. */
  active(): readonly ActiveFault[];
  /**
   * Applies a fault.
   * @param task the id of a running task, if the fault takes one.
   * @throws {ExpectedError} if the stack has no such fault or no such task, or the fault is active already.
   */
  apply(id: string, task?: string): void;
  /** Ends a fault. A fault that ends by itself, or is not active, is left alone. A fault that cannot be undone stays active. */
  end(id: string, task?: string): void;
  /** Ends the faults of a task that has ended. */
  readonly onEvent: (event: StackEvent) => void;
  /** Ends every fault that can be undone, so that each task can stop in order. */
  endAll(): void;
}

interface Entry extends ActiveFault {
  readonly name: string;
  /** `undefined`: the fault ends by itself, or is being undone. */
  undo: Undo | undefined;
}

export function createFaultControl(target: FaultTarget, emit: EmitEvent): FaultControl {
  const faults = FAULTS.filter((fault) => fault.takesTask || target[fault.needs] !== undefined);
  const entries: Entry[] = [];

  function find(id: string, task: string | undefined): Entry | undefined {
    return entries.find((entry) => entry.fault === id && entry.task === task);
  }

  function remove(entry: Entry): void {
    const at = entries.indexOf(entry);
    if (at < 0) return;
    entries.splice(at, 1);
    emit({ event: "fault-ended", ...describe(entry) });
  }

  function report(error: unknown, name: string): void {
    const reason = error instanceof Error ? error.message : String(error);
    emit({ event: "warning", message: `The fault "${name}" failed: ${reason}` });
  }

  function applyTo(fault: Fault, task: string | undefined): ReturnType<Fault["apply"]> {
    if (!fault.takesTask) return fault.apply(target);
    const running = target.taskFaults(task ?? "");
    if (running === undefined) {
      throw new ExpectedError(
        `\`task\`: got ${JSON.stringify(task ?? "")}; expected the id of a running task.`,
      );
    }
    return fault.apply(running);
  }

  function end(entry: Entry): void {
    const { undo, name } = entry;
    if (undo === undefined) return;
    entry.undo = undefined;
    const undone = undo();
    if (!(undone instanceof Promise)) {
      remove(entry);
      return;
    }
    undone.then(
      () => {
        remove(entry);
      },
      (error: unknown) => {
        entry.undo = undo;
        report(error, name);
      },
    );
  }

  return {
    faults,
    active: () => entries.map(({ fault, task }) => ({ fault, task })),
    apply(id, task) {
      const fault = faults.find((candidate) => candidate.id === id);
      if (fault === undefined) {
        const ids = faults.map((candidate) => candidate.id);
        throw new ExpectedError(`${JSON.stringify(id)} is not a fault of this stack${suggest(id, ids)}`);
      }
      const about = fault.takesTask ? task : undefined;
      if (find(id, about) !== undefined)
        throw new ExpectedError(`The fault "${fault.name}" is active already.`);
      const applied = applyTo(fault, about);
      const entry: Entry = { fault: id, task: about, name: fault.name, undo: undefined };
      emit({ event: "fault-applied", ...describe(entry) });
      if (applied === undefined) return;
      entries.push(entry);
      if (typeof applied === "function") {
        entry.undo = applied;
        return;
      }
      applied
        .catch((error: unknown) => {
          report(error, fault.name);
        })
        .finally(() => {
          remove(entry);
        });
    },
    end(id, task) {
      const entry = find(id, task);
      if (entry !== undefined) end(entry);
    },
    onEvent(event) {
      if (event.event !== "task-stopped") return;
      for (const entry of entries.filter(({ task }) => task === event.id)) remove(entry);
    },
    endAll() {
      for (const entry of [...entries]) end(entry);
    },
  };
}

function describe({ fault, task, name }: Entry): ActiveFault & { readonly name: string } {
  return { fault, ...(task !== undefined && { task }), name };
}
