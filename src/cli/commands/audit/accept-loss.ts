/** keycell audit accept-loss */
import type { Command } from 'commander';
import { HsmError } from '../../../errors.ts';
import { type Cli, run } from '../../context.ts';
import { lines } from '../../describe.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { yesOption } from '../../options.ts';
import { mustAgree } from '../../terminal.ts';

export function acceptLoss(parent: Command): void {
  command(
    parent,
    'accept-loss <loss>',
    'Give up a log that is lost or damaged for good, and begin another, whose first entry says what was given up.\n\n' +
      '<loss> is what a command that found no log, or a damaged one, told: the number of entries that the HSM remembers, and\n' +
      'the hash of the last. It is good once. What is left of the old log is kept beside the new one, as audit.log.lost-N.\n' +
      'A copy that has all entries, put in its place, loses nothing: look for one first.',
    ['keycell audit accept-loss 4154-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
  )
    .addOption(yesOption())
    .action(run(task));
}

async function task(cli: Cli, loss: string, options: { readonly yes?: true }): Promise<void> {
  await mustBeLost(cli, loss);
  await mustAgree('Give this log up? What it said after the last copy is gone.', options.yes, cli.options.input);
  const { path } = cli.options;
  await cli.withHsm(async ({ id }) => cli.answer({ path, id, accepted: loss }, lines({ path, id, accepted: loss })), {
    acceptLogLoss: loss,
  });
  cli.note('A new log is begun. Its first entry says what was given up.');
}

/** Before anybody is asked for a passphrase. */
async function mustBeLost(cli: Cli, loss: string): Promise<void> {
  try {
    await cli.withHsm(async () => {}, { sealed: true });
  } catch (error) {
    if (!(error instanceof HsmError) || error.lossId === undefined) throw error;
    if (error.lossId === loss) return;
    throw new UsageError('another log than that is lost here', `${error.message}: ${error.lossId}`);
  }
  throw new UsageError('the log is there, and whole as far as the HSM remembers', '`keycell check` looks at all of it');
}
