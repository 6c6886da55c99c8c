import type { StackEvent } from "../events.ts";

/** @returns a function that replaces the output of a task that has ended if it equals that of the failed task before. */
export function shortenRepeatedOutput(): (event: StackEvent) => StackEvent {
  let previous = { id: "", output: "" };
  return (event) => {
    if (event.event !== "task-stopped" || event.output.length === 0) return event;
    const output = event.output.join("\n");
    if (output === previous.output) return { ...event, output: [`the same output as ${previous.id}`] };
    previous = { id: event.id, output };
    return event;
  };
}
