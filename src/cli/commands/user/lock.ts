/** keycell user lock, keycell user unlock */
import type { Command } from 'commander';
import { shown } from '../../../model/text.ts';
import { type Cli, run } from '../../context.ts';
import { command } from '../../group.ts';

export function lock(parent: Command): void {
  command(
    parent,
    'lock <name>',
    'Lock a user: no password opens a session, and sessions end. The keys stay. For admins.',
    ['keycell user lock licences --user officer'],
  ).action(run((cli: Cli, name: string) => setLock(cli, name, true)));
}

export function unlock(parent: Command): void {
  command(parent, 'unlock <name>', 'Let a locked user log in again. For admins.', [
    'keycell user unlock licences --user officer',
  ]).action(run((cli: Cli, name: string) => setLock(cli, name, false)));
}

async function setLock(cli: Cli, name: string, locked: boolean): Promise<void> {
  await cli.withSession(async (session) => {
    await (locked ? session.lockUser(name) : session.unlockUser(name));
    cli.note(locked ? `${shown(name)} is locked` : `${shown(name)} may log in again`);
    cli.answer({ user: name, locked }, '');
  });
}
