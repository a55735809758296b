/** keycell unseal */
import type { Command } from 'commander';
import { type Cli, run } from '../context.ts';
import { lines } from '../describe.ts';
import { command } from '../group.ts';

export function unseal(parent: Command): void {
  command(
    parent,
    'unseal',
    'Try whether the passphrase opens the HSM, and with --user the password too. `keycell check` tells the first as well.\n\n' +
      'Nothing stays unsealed: every command unseals the HSM for itself, and it is sealed again when the command ends.\n' +
      'Use this to try credential files before a service starts.',
    [
      'keycell unseal --passphrase-file pass.txt',
      'keycell unseal --user licences --passphrase-fd 3 --password-fd 4 3<pass.txt 4<licences.txt',
    ],
  ).action(run(task));
}

async function task(cli: Cli): Promise<void> {
  const { path } = cli.options;
  // An empty KEYCELL_USER names nobody.
  const user = cli.options.user || undefined;
  // Told once it is closed, and true then: it is sealed.
  const found =
    user === undefined
      ? await cli.withHsm(async ({ id }) => ({ path, id, opened: true, state: 'sealed' }))
      : await cli.withSession(async (session, { id }) => {
          return { path, id, opened: true, state: 'sealed', user, role: session.user.role };
        });
  cli.answer(found, lines(found));
  cli.note(
    'It opens, and is sealed again: no command leaves an HSM unsealed. `keycell check` tries the passphrase, too.',
  );
}
