/** keycell unseal */
import type { Command } from 'commander';
import { type Cli, run } from '../context.ts';
import { lines } from '../describe.ts';
import { command } from '../group.ts';

export function unseal(parent: Command): void {
  command(
    parent,
    'unseal',
    'Check that the passphrase opens the HSM, and with --user the password too.\n\n' +
      'Every command unseals the HSM for itself, and it is sealed again when the command ends: there is no process\n' +
      'that would stay unsealed. So this is a trial: the passphrase opens the key slot, every record is authenticated,\n' +
      'and with --user somebody logs in. Use it to try a credential file before a service starts.',
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
  const document = (state: string, id: string, role?: string) => ({
    path,
    id,
    opened: true,
    state,
    ...(user !== undefined && { user, role }),
  });
  const say = (found: Record<string, unknown>) => cli.answer(found, lines(found));
  if (user === undefined) await cli.withHsm(async (hsm) => say(document(hsm.state, hsm.id)));
  else await cli.withSession(async (session, hsm) => say(document(hsm.state, hsm.id, session.user.role)));
}
