/** Runs a stack, applies the fault in its argument to the task, prints the task's process id, and runs until it is killed. */
import { wholePath } from "./graph.ts";
import { running } from "./stack.ts";

const { stack } = await running(wholePath());
const [, , fault] = process.argv;
if (fault !== undefined) stack.faults.apply(fault, "task-1");
console.log(stack.status()[0]?.pid);
