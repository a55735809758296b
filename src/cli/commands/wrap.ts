/** keycell wrap */
import { type Command, Option } from 'commander';
import type { WrapOptions } from '../../model/hsm.ts';
import { type Cli, type DataOptions, findAes, findKey, run } from '../context.ts';
import { UsageError } from '../failure.ts';
import { command } from '../group.ts';
import { type AadOptions, aadOf, aadOptions, encodeOption, keyOption, outOption } from '../options.ts';

export const wrapMechanism = () =>
  new Option('-m, --mechanism <name>', 'how').choices(['AES-KW', 'AES-KWP', 'AES-GCM']).default('AES-KW');

interface WrapFlags extends AadOptions {
  readonly mechanism: WrapOptions['mechanism'];
}

export function wrapOptionsOf(options: WrapFlags): WrapOptions {
  const { mechanism } = options;
  if (mechanism === 'AES-GCM') return { mechanism, ...aadOf(options) };
  if (aadOf(options).aad) throw new UsageError(`${mechanism} takes no --aad`, 'AES-GCM does');
  return { mechanism };
}

export function wrap(parent: Command): void {
  aadOptions(
    command(
      parent,
      'wrap <target>',
      'Wrap a key under another: the one way out for a key that is extractable as "wrapped".',
      [
        'keycell wrap --key kek content-key --out content-key.kw',
        'keycell wrap --key kek signing-key --mechanism AES-KWP --encode base64',
      ],
    ),
  )
    .addOption(keyOption('the wrapping key (AES, usage wrap): its label or id'))
    .addOption(wrapMechanism())
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

interface Options extends DataOptions, WrapFlags {
  readonly key: string;
}

async function task(cli: Cli, target: string, options: Options): Promise<void> {
  const { mechanism } = options;
  await cli.withSession(async (session) => {
    const key = await findKey(session, target);
    const wrapping = await findAes(session, options.key);
    const blob = await session.wrapKey(wrapping, key, wrapOptionsOf(options));
    const document = { key: key.id, wrappingKey: wrapping.id, mechanism };
    await cli.data(blob, options, { kind: 'binary', document, member: 'wrapped' });
  });
}
