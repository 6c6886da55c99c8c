/**
 * Ends the process when its output is written. A program that a command evaluates can leave timers and sockets open, which would
 * keep the process.
 */
export async function exitAfterOutput(): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(flush));
  process.exit();
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // The callback also reports that the reader has closed.
    stream.write("", () => {
      resolve();
    });
  });
}
