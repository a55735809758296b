/** keycell key list */
import { type Command, Option } from 'commander';
import type { KeyFilter } from '../../../model/hsm.ts';
import type { Key } from '../../../model/key.ts';
import { type Cli, run } from '../../context.ts';
import { keyDocument, kindOf, table } from '../../describe.ts';
import { command } from '../../group.ts';
import { curveOption, typeOption } from '../../options.ts';

export function list(parent: Command): void {
  command(parent, 'list', 'List keys: your own, or as an admin those of all users.', [
    'keycell key list',
    'keycell key list --type EC --json',
  ])
    .option('-l, --label <label>', 'of this label alone')
    .addOption(typeOption())
    .addOption(curveOption())
    .addOption(
      new Option('--class <class>', 'public keys, key pairs, or secret keys').choices(['public', 'private', 'secret']),
    )
    .action(run(task));
}

async function task(cli: Cli, { label, type, curve, class: part }: KeyFilter): Promise<void> {
  await cli.withSession(async (session) => {
    const keys: Key[] = [];
    const filter = {
      ...(label && { label }),
      ...(type && { type }),
      ...(curve && { curve }),
      ...(part && { class: part }),
    };
    for await (const key of session.findKeys(filter)) keys.push(key);
    keys.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
    const rows = keys.map((key) => [
      key.id,
      key.label ?? '-',
      kindOf(key),
      key.usage.join(',') || '-',
      key.extractable === false ? 'no' : key.extractable,
    ]);
    cli.answer({ keys: keys.map(keyDocument) }, table(['ID', 'LABEL', 'KEY', 'USAGE', 'EXTRACTABLE'], rows));
  });
}
