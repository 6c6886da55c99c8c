/** Stack names in the forms of `pulumi --stack`: STACK, ORG/STACK or ORG/PROJECT/STACK. */

/** Valid in every backend and as a file name. */
const STACK_NAME = /^(?:[\w.-]{1,100}\/){0,2}[\w.-]{1,100}$/;

export function isStackName(text: string): boolean {
  return STACK_NAME.test(text);
}

/** The name without organization and project. */
export function shortName(stack: string): string {
  return stack.slice(stack.lastIndexOf("/") + 1);
}

/** The name of the file does not contain organization or project. */
export function stackFileName(stack: string): string {
  return `Pulumi.${shortName(stack)}.yaml`;
}
