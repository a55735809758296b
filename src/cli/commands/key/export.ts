/** keycell key export */
import { type Command, Option } from 'commander';
import { type Cli, type DataOptions, findKey, isStdout, run, secretInJson } from '../../context.ts';
import { pem } from '../../encode.ts';
import { command } from '../../group.ts';
import { encodeOption, forceOption, outOption } from '../../options.ts';

export function exportKey(parent: Command): void {
  command(
    parent,
    'export <key>',
    'Write a key out in the clear, if it was made extractable as "plaintext"; the HSM refuses any other.\n' +
      'Secret keys come as raw bytes, EC keys as PKCS#8. A file is readable by its owner alone.',
    ['keycell key export shared --out shared.key', 'keycell key export old-signer --format pem --out signer.pem'],
  )
    .addOption(new Option('--format <form>', 'of an EC key').choices(['der', 'pem']).default('der'))
    .addOption(outOption())
    .addOption(encodeOption())
    .addOption(forceOption('show it on the terminal, or replace the file'))
    .action(run(task));
}

async function task(cli: Cli, name: string, options: DataOptions & { readonly format: 'der' | 'pem' }): Promise<void> {
  if (cli.json && isStdout(options)) throw secretInJson();
  await cli.withSession(async (session) => {
    const key = await findKey(session, name);
    const exported = await session.exportKey(key);
    const armour = options.format === 'pem' && key.type === 'EC';
    const kind = key.class !== 'public' ? 'key' : armour ? 'text' : 'binary';
    const material = armour ? pem(exported, key.class === 'public' ? 'PUBLIC KEY' : 'PRIVATE KEY') : exported;
    try {
      await cli.data(material, options, { kind, document: { key: key.id } });
    } finally {
      exported.fill(0);
    }
  });
}
