#!/usr/bin/env node
/** The command line: parse, run, and end with a code that a script can use. */
import { CommanderError } from 'commander';
import { EXIT, failureOf, tell } from './failure.ts';
import { discardUnfinished } from './files.ts';
import { createProgram } from './program.ts';
import { packageVersion } from './version.ts';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

async function main(argv: readonly string[]): Promise<number> {
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      discardUnfinished();
      process.exit(code);
    });
  }
  // A reader that went away is told by the write that fails; without a listener Node would print a stack.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    await createProgram(packageVersion()).parseAsync(argv as string[]);
    return Number(process.exitCode ?? EXIT.ok[0]);
  } catch (error) {
    // Help and version end the parse and are no failure; the help that a missing command brings is told already.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok[0];
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage[0];
    const failure = failureOf(error);
    const stack = argv.includes('--verbose') || argv.includes('-v') ? (error as Error).stack : undefined;
    process.stderr.write(tell(failure, argv.includes('--json'), stack));
    return EXIT[failure.exit][0];
  }
}

process.exitCode = await main(process.argv);
