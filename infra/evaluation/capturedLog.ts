/** What a program logs while it is evaluated. Without an engine, Pulumi writes its log to the console. */
const WARNING = "warning: [runtime] ";
const ERROR = "error: [runtime] ";

export interface CapturedLog extends Disposable {
  readonly warnings: readonly string[];
  readonly errors: readonly string[];
}

/** Captures the warnings and errors until the disposal. All other lines are written to the standard error. */
export function captureLog(): CapturedLog {
  const warnings: string[] = [];
  const errors: string[] = [];
  const { log, info, debug, warn, error } = console;

  function write(...values: unknown[]): void {
    const [text] = values;
    if (typeof text === "string" && text.startsWith(WARNING)) warnings.push(text.slice(WARNING.length));
    else if (typeof text === "string" && text.startsWith(ERROR)) errors.push(text.slice(ERROR.length));
    else error(...values);
  }

  // The standard output belongs to the command that evaluates the program.
  Object.assign(console, { log: write, info: write, debug: write, warn: write, error: write });
  return {
    warnings,
    errors,
    [Symbol.dispose]() {
      Object.assign(console, { log, info, debug, warn, error });
    },
  };
}
