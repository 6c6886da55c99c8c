/** The commands as a user enters them: scripts of package.json in the repository, the command of the npm package elsewhere. */
import { isPackaged } from "../app/src/settings/ownFiles.ts";

export const PACKAGE_COMMAND = "pulumi-websocket-server";

/** Returns the command of a script, such as `npm start`. */
export function commandOf(script: string): string {
  if (isPackaged) return `npx ${PACKAGE_COMMAND} ${script}`;
  return script === "start" ? "npm start" : `npm run ${script}`;
}

/** Returns the command of a script without the lines that npm prints before it, for a shell that reads its output. */
export function commandForOutput(script: string): string {
  return isPackaged ? commandOf(script) : `npm run -s ${script} --`;
}

/** Returns the command of a script, to which arguments can be added. npm consumes options that are not after `--`. */
export function commandWithArguments(script: string): string {
  return isPackaged ? commandOf(script) : `${commandOf(script)} --`;
}
