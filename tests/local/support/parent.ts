/** Runs a stack, prints its task's process id, and waits to be killed. */
import { wholePath } from "./graph.ts";
import { running } from "./stack.ts";

const { stack } = await running(wholePath());
console.log(stack.status()[0]?.pid);
