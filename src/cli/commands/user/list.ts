/** keycell user list */
import type { Command } from 'commander';
import { type Cli, run } from '../../context.ts';
import { table, userDocument } from '../../describe.ts';
import { command } from '../../group.ts';

export function list(parent: Command): void {
  command(parent, 'list', 'List the users. For admins.', ['keycell user list --user officer']).action(run(task));
}

async function task(cli: Cli): Promise<void> {
  await cli.withSession(async (session) => {
    const users = (await session.listUsers()).sort((a, b) => (a.name < b.name ? -1 : 1));
    const rows = users.map(({ name, role, locked, createdAt, id }) => {
      return [name, role, locked ? 'yes' : '-', createdAt.toISOString(), id];
    });
    cli.answer({ users: users.map(userDocument) }, table(['NAME', 'ROLE', 'LOCKED', 'CREATED', 'ID'], rows));
  });
}
