/** keycell status */
import type { Command } from 'commander';
import { type FolderHolder, HsmError } from '../../errors.ts';
import { type Cli, run } from '../context.ts';
import { lines } from '../describe.ts';
import { command } from '../group.ts';

export function status(parent: Command): void {
  command(
    parent,
    'status',
    'Say what is in the folder: no passphrase is needed, so nothing of it is authenticated yet.\n\n' +
      'While another process has the folder, as a service that runs, it says which and since when: only that one can say more.',
    ['keycell status', 'keycell status --path /var/lib/keycell --json'],
  ).action(run(task));
}

async function task(cli: Cli): Promise<void> {
  try {
    await folderStatus(cli);
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== 'KEYCELL_STORE_LOCKED') throw error;
    const { holder } = error;
    const document = { path: cli.options.path, state: 'in use' };
    cli.answer({ ...document, holder }, lines({ ...document, holder: holder && told(holder) }));
  }
}

const told = ({ pid, since, elsewhere }: FolderHolder): string =>
  [
    `process ${pid}${elsewhere ? ' of another container or pid namespace' : ''}`,
    ...(since === undefined ? [] : [`since ${since.toISOString()}`]),
  ].join(', ');

async function folderStatus(cli: Cli): Promise<void> {
  await cli.withHsm(
    async (hsm) => {
      const { state, logEntries } = hsm.stats();
      const document = { path: cli.options.path, id: hsm.id, state, logEntries };
      cli.answer(document, lines(document));
    },
    { sealed: true, wait: cli.options.wait ?? 0 },
  );
}
