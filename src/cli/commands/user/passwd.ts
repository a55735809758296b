/** keycell user passwd */
import type { Command } from 'commander';
import { shown } from '../../../model/text.ts';
import { type Cli, run } from '../../context.ts';
import { command } from '../../group.ts';
import { type NewPasswordOptions, newPassword, newPasswordOptions } from './new-password.ts';

export function passwd(parent: Command): void {
  newPasswordOptions(
    command(parent, 'passwd [name]', 'Set a password: your own, or as an admin that of any user.', [
      'keycell user passwd --user licences',
      'keycell user passwd licences --user officer --new-password-fd 5 5<new.txt',
    ]),
  ).action(run(task));
}

async function task(cli: Cli, given: string | undefined, options: NewPasswordOptions): Promise<void> {
  const name = given ?? cli.user();
  const own = name === cli.user();
  await cli.withSession(
    async (session, _hsm, oldPassword) => {
      const password = await newPassword(cli, name, options);
      await session.setPassword(name, password, own ? { oldPassword, wipe: true } : { wipe: true });
      cli.note(`${shown(name)} has a new password`);
      cli.answer({ user: name }, '');
    },
    // A user's own new password asks for the old one, which is the one that they logged in with.
    { keep: own },
  );
}
