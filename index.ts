import { runProgram } from "./infra/program.ts";

// Pulumi runs the function. Exports by name would be the same for every stack, and some stacks do not have every output.
export default runProgram;
