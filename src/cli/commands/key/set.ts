/** keycell key set */
import { type Command, Option } from 'commander';
import type { KeyChanges } from '../../../model/hsm.ts';
import { shown } from '../../../model/text.ts';
import { type Cli, findKey, run } from '../../context.ts';
import { keyDocument } from '../../describe.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { EXTRACTABLE } from '../../options.ts';

export function set(parent: Command): void {
  command(parent, 'set <key>', "Change a key's label, tighten its attributes, or as an admin trust it.", [
    'keycell key set licence-signing --label licence-signing-2026',
    'keycell key set kek --trusted --user officer',
    'keycell key set partner-kek --trusted --accept-imported --user officer',
  ])
    .option('-l, --label <label>', 'a new label')
    .addOption(new Option('--extractable <how>', 'less than before').choices(['no', 'wrapped']))
    .option('--no-destroyable', 'nobody can ever destroy it')
    .option('--wrap-with-trusted', 'may be wrapped only by a key that an admin marked as trusted')
    .option('--trusted', 'for admins: keys may be re-wrapped to it')
    .option('--accept-imported', 'with --trusted: vouch for whoever imported the key')
    .addOption(new Option('--untrusted', 'for admins: no more').conflicts('trusted'))
    .action(run(task));
}

interface Options {
  readonly label?: string;
  readonly extractable?: 'no' | 'wrapped';
  readonly destroyable: boolean;
  readonly wrapWithTrusted?: true;
  readonly trusted?: true;
  readonly untrusted?: true;
  readonly acceptImported?: true;
}

async function task(cli: Cli, name: string, options: Options): Promise<void> {
  const { label, extractable, destroyable, wrapWithTrusted, trusted, untrusted, acceptImported } = options;
  const changes = {
    ...(label !== undefined && { label }),
    ...(extractable && { extractable: EXTRACTABLE[extractable] }),
    ...(!destroyable && { destroyable: false }),
    ...(wrapWithTrusted && { wrapWithTrusted }),
    ...(trusted && { trusted: true }),
    ...(untrusted && { trusted: false }),
    ...(acceptImported && { acceptImported }),
  } as KeyChanges;
  if (Object.keys(changes).length === 0)
    throw new UsageError('nothing to change is named', 'see keycell key set --help');
  await cli.withSession(async (session) => {
    const key = await session.setAttributes(await findKey(session, name), changes);
    cli.note(`Changed ${shown(key.label ?? key.id)}`);
    cli.answer(keyDocument(key), key.id);
  });
}
