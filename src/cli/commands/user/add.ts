/** keycell user add */
import { type Command, Option } from 'commander';
import type { Role } from '../../../model/hsm.ts';
import { shown } from '../../../model/text.ts';
import { type Cli, run } from '../../context.ts';
import { userDocument } from '../../describe.ts';
import { command } from '../../group.ts';
import { type NewPasswordOptions, newPassword, newPasswordOptions } from './new-password.ts';

export function add(parent: Command): void {
  newPasswordOptions(
    command(parent, 'add <name>', 'Add a user. For admins.', [
      'keycell user add licences --user officer',
      'keycell user add second-officer --role admin --user officer --new-password-file second.txt',
    ]),
  )
    .addOption(
      new Option('--role <role>', 'crypto-users make and use keys, admins manage users and trust')
        .choices(['crypto-user', 'admin'])
        .default('crypto-user'),
    )
    .action(run(task));
}

async function task(cli: Cli, name: string, options: NewPasswordOptions & { readonly role: Role }): Promise<void> {
  await cli.withSession(async (session) => {
    const password = await newPassword(cli, name, options);
    const user = await session.createUser({ name, role: options.role, password, wipe: true });
    cli.note(`Added ${shown(name)}, ${user.role}`);
    cli.answer(userDocument(user), user.id);
  });
}
