/** Runs a stack, prints the process id of its task, and runs until it is killed. */
import { wholePath } from "./graph.ts";
import { running } from "./stack.ts";

const { stack } = await running(wholePath());
console.log(stack.status()[0]?.pid);
