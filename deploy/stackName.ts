/** Names of stacks, as `pulumi --stack` takes them: STACK, ORG/STACK or ORG/PROJECT/STACK. */

/** What every backend takes, and a file name as well. */
const STACK_NAME = /^(?:[\w.-]{1,100}\/){0,2}[\w.-]{1,100}$/;

export function isStackName(text: string): boolean {
  return STACK_NAME.test(text);
}

/** The stack's own name, without its organization and project. */
export function shortName(stack: string): string {
  return stack.slice(stack.lastIndexOf("/") + 1);
}

/** Pulumi names the file by the stack alone. */
export function stackFileName(stack: string): string {
  return `Pulumi.${shortName(stack)}.yaml`;
}
