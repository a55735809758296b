/** keycell status */
import type { Command } from 'commander';
import { type Cli, run } from '../context.ts';
import { lines } from '../describe.ts';
import { command } from '../group.ts';

export function status(parent: Command): void {
  command(
    parent,
    'status',
    'Say what is in the folder: no passphrase is needed, so nothing of it is authenticated yet.',
    ['keycell status', 'keycell status --path /var/lib/keycell --json'],
  ).action(run(task));
}

async function task(cli: Cli): Promise<void> {
  await cli.withHsm(
    async (hsm) => {
      const { state, logEntries } = hsm.stats();
      const document = { path: cli.options.path, id: hsm.id, state, logEntries };
      cli.answer(document, lines(document));
    },
    { sealed: true },
  );
}
