/** keycell key destroy */
import type { Command } from 'commander';
import { type Cli, findKey, run } from '../../context.ts';
import { command } from '../../group.ts';
import { yesOption } from '../../options.ts';
import { mustAgree } from '../../terminal.ts';

export function destroy(parent: Command): void {
  command(
    parent,
    'destroy <key>',
    'Destroy a key. What it encrypted or wrapped is lost with it, except in old backups of the folder.',
    ['keycell key destroy licence-signing-2024 --yes'],
  )
    .addOption(yesOption())
    .action(run(task));
}

async function task(cli: Cli, name: string, options: { readonly yes?: true }): Promise<void> {
  await mustAgree(`Destroy the key ${name}?`, options.yes, cli.options.input);
  await cli.withSession(async (session) => {
    const key = await findKey(session, name);
    await session.destroyKey(key);
    cli.note(`Destroyed ${name}`);
    cli.answer({ destroyed: key.id }, '');
  });
}
