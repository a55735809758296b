/** keycell user remove */
import type { Command } from 'commander';
import { shown } from '../../../model/text.ts';
import { type Cli, run } from '../../context.ts';
import { command } from '../../group.ts';
import { yesOption } from '../../options.ts';
import { mustAgree } from '../../terminal.ts';

export function remove(parent: Command): void {
  command(
    parent,
    'remove <name>',
    'Remove a user and end their sessions. Their keys stay, and nobody can use them. For admins.',
    ['keycell user remove licences --user officer --yes'],
  )
    .addOption(yesOption())
    .action(run(task));
}

async function task(cli: Cli, name: string, options: { readonly yes?: true }): Promise<void> {
  await mustAgree(
    `Remove the user ${shown(name)}? Their keys can then be used by nobody.`,
    options.yes,
    cli.options.input,
  );
  await cli.withSession(async (session) => {
    await session.removeUser(name);
    cli.note(`Removed ${shown(name)}`);
    cli.answer({ removed: name }, '');
  });
}
