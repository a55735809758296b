/** keycell key show */
import type { Command } from 'commander';
import { type Cli, findKey, run } from '../../context.ts';
import { keyDocument, lines } from '../../describe.ts';
import { command } from '../../group.ts';

export function show(parent: Command): void {
  command(parent, 'show <key>', 'Show all attributes of a key. The key itself has no way to the screen.', [
    'keycell key show licence-signing',
    'keycell key show licence-signing --json',
  ]).action(run(task));
}

async function task(cli: Cli, name: string): Promise<void> {
  await cli.withSession(async (session) => {
    const document = keyDocument(await findKey(session, name));
    cli.answer(document, lines(document));
  });
}
