/** What every command works with. Only main.ts knows the process behind it. */
import type { InterruptSources } from "../cli/interrupts.ts";
import type { Options } from "./options.ts";
import type { Environment } from "./preconditions.ts";
import type { OpenView } from "./progress/view.ts";
import type { Workspace } from "./workspace.ts";

export interface Context {
  readonly options: Options;
  /** Folder of Pulumi.yaml. */
  readonly root: string;
  readonly env: Environment;
  readonly workspace: Workspace;
  readonly openView: OpenView;
  readonly interrupts: InterruptSources;
  /** Milliseconds of a clock that only goes forward. */
  readonly nowMs: () => number;
  /** The time of day. */
  readonly today: () => Date;
  /** Prints a line. */
  readonly say: (line: string) => void;
  /** The user's answer; `undefined` where there is nobody to ask. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** Ends the process, and the CLI with it. */
  readonly exit: (code: number) => never;
}

/** How a command ends. */
export const EXIT = { done: 0, failed: 1, notStarted: 2, interrupted: 130 } as const;
