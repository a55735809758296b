#!/usr/bin/env node
/** The command line: parse, run, and end with a code that a script can use. */
import { CommanderError } from 'commander';
import { EXIT, failureOf, tell } from './failure.ts';
import { discardUnfinished } from './files.ts';
import { createProgram } from './program.ts';
import { followOutputs, mustBeWritten } from './stdout.ts';
import { packageVersion } from './version.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function main(argv: readonly string[]): Promise<void> {
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      discardUnfinished();
      // With no listener left, this ends the process as it would have without us.
      process.kill(process.pid, signal);
    });
  }
  followOutputs();
  try {
    await createProgram(packageVersion()).parseAsync(argv as string[]);
    // An answer that nobody got is no success, unless the exit code says something already.
    if (process.exitCode === undefined) mustBeWritten();
  } catch (error) {
    // Help and version end the parse and are no failure; the help that a missing command brings is told already.
    if (error instanceof CommanderError && error.exitCode === 0) return;
    if (error instanceof CommanderError && error.code === 'commander.help') {
      process.exitCode = EXIT.usage[0];
      return;
    }
    discardUnfinished();
    const failure = failureOf(error);
    if (failure.exit === 'unread') process.exit(EXIT.unread[0]);
    const stack = argv.includes('--verbose') || argv.includes('-v') ? (error as Error).stack : undefined;
    // Not left to the end of all work: a read from a pipe that nobody closes would never end.
    process.stderr.write(tell(failure, argv.includes('--json'), stack, process.stderr.columns), () =>
      process.exit(EXIT[failure.exit][0]),
    );
  }
}

await main(process.argv);
