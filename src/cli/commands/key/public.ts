/** keycell key public */
import { type Command, Option } from 'commander';
import { type Cli, type DataOptions, findKeyOf, isStdout, run } from '../../context.ts';
import { pem } from '../../encode.ts';
import { command } from '../../group.ts';
import { encodeOption, outOption } from '../../options.ts';

export function publicKey(parent: Command): void {
  command(parent, 'public <key>', 'The public key of an EC key, as SPKI.', [
    'keycell key public licence-signing --out licence-signing.pem',
    'keycell key public licence-signing --format der --out licence-signing.der',
  ])
    .addOption(new Option('--format <form>', 'PEM text or DER bytes').choices(['pem', 'der']).default('pem'))
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

async function task(cli: Cli, name: string, options: DataOptions & { readonly format: 'pem' | 'der' }): Promise<void> {
  await cli.withSession(async (session) => {
    const key = await findKeyOf(session, name, 'EC');
    const armour = options.format === 'pem';
    const spki = new Uint8Array(key.publicKey);
    if (cli.json && isStdout(options)) {
      const publicKey = new TextDecoder().decode(pem(spki, 'PUBLIC KEY'));
      cli.answer({ key: key.id, kid: key.kid, publicKey }, '');
      return;
    }
    const document = { key: key.id, kid: key.kid };
    const kind = armour ? 'text' : 'binary';
    await cli.data(armour ? pem(spki, 'PUBLIC KEY') : spki, options, { kind, document });
  });
}
