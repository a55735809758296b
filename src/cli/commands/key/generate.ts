/** keycell key generate */
import type { Command } from 'commander';
import { type Cli, findKey, run } from '../../context.ts';
import { keyDocument, nameOf } from '../../describe.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { issuerName, type TemplateOptions, templateOf, templateOptions } from '../../options.ts';

export function generate(parent: Command): void {
  templateOptions(
    command(parent, 'generate', 'Make a key in a cell. Prints its id; the key itself is never shown.', [
      'keycell key generate --label licence-signing --curve P-256',
      'keycell key generate --label files --type AES',
      'keycell key generate --label kek --type AES --usage wrap,unwrap --rewrap-policy any',
      'keycell key generate --label files --type AES --ensure',
    ]),
  )
    .option('--ensure', 'take the key of this label if there is one with these attributes')
    .action(run(task));
}

async function task(cli: Cli, options: TemplateOptions & { readonly ensure?: true }): Promise<void> {
  await cli.withSession(async (session) => {
    const issuer = issuerName(options);
    const template = templateOf(options, issuer === undefined ? undefined : await findKey(session, issuer));
    const { label } = template;
    if (options.ensure && label === undefined) throw new UsageError('--ensure goes by the label', 'give --label too');
    const key =
      options.ensure && label !== undefined
        ? await session.ensureKey({ ...template, label })
        : await session.generateKey(template);
    cli.note(`${nameOf(key)}, for ${key.usage.join(', ') || 'nothing'}`);
    cli.answer(keyDocument(key), key.id);
  });
}
