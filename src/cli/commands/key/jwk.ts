/** keycell key jwk */
import type { Command } from 'commander';
import { type Cli, type DataOptions, findKeyOf, isStdout, run } from '../../context.ts';
import { command } from '../../group.ts';
import { outOption } from '../../options.ts';

export function jwk(parent: Command): void {
  command(
    parent,
    'jwk <keys...>',
    'The public key of an EC key as a JWK (RFC 7517); several, or --set, as a JWK Set.',
    ['keycell key jwk licence-signing', 'keycell key jwk licence-signing licence-signing-2026 --out jwks.json'],
  )
    .option('--set', 'a JWK Set, of one key too')
    .addOption(outOption())
    .action(run(task));
}

async function task(cli: Cli, names: string[], options: DataOptions & { readonly set?: true }): Promise<void> {
  await cli.withSession(async (session) => {
    const keys = [];
    for (const name of names) keys.push((await findKeyOf(session, name, 'EC')).jwk);
    const document = options.set || keys.length > 1 ? { keys } : keys[0]!;
    if (cli.json && isStdout(options)) {
      cli.answer(document, '');
      return;
    }
    const text = new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`);
    await cli.data(text, options, { kind: 'text', document: { keys: keys.map(({ kid }) => kid) } });
  });
}
