/** The parameters that all commands share. Only main.ts uses the process itself. */
import type { InterruptSources } from "../cli/interrupts.ts";
import type { DeployOptions } from "./options.ts";
import type { Environment } from "./preconditions.ts";
import type { Workspace } from "./stack/workspace.ts";

export interface Context {
  readonly options: DeployOptions;
  /** Folder of Pulumi.yaml. */
  readonly root: string;
  readonly env: Environment;
  readonly workspace: Workspace;
  readonly interrupts: InterruptSources;
  /** The time of day. */
  readonly now: () => Date;
  /** Prints one line. */
  readonly print: (line: string) => void;
  /** Prints text as it is, for example the CLI's output. */
  readonly write: (text: string) => void;
  /** Whether the CLI colors its output. */
  readonly color: "always" | "never";
  /** Returns the user's answer; `undefined` without a terminal. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** Ends the process, and with it the CLI. */
  readonly exit: (code: number) => never;
}

export const EXIT = { done: 0, failed: 1, notStarted: 2, interrupted: 130 } as const;
