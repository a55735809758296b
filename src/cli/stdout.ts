/** Whether stdout still takes what is written: Node tells a failed write to a listener, and keeps no record of it. */

let failure: Error | undefined;

/** Without listeners Node would print a stack. */
export function followOutputs(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error) => {
    failure ??= error;
  });
}

/** Throws the first error of a write to stdout. */
export function mustBeWritten(): void {
  if (failure !== undefined) throw failure;
}
