/** keycell encrypt */
import { type Command, Option } from 'commander';
import type { Session } from '../../model/hsm.ts';
import type { AesKey } from '../../model/key.ts';
import { type Cli, type DataOptions, findAes, run } from '../context.ts';
import { UsageError } from '../failure.ts';
import { ahead, readInput } from '../files.ts';
import { command } from '../group.ts';
import { type AadOptions, aadOf, aadOptions, encodeOption, hex, keyOption, outOption } from '../options.ts';
import { transform } from '../stream.ts';

export type RawMechanism = 'AES-GCM' | 'AES-CTR' | 'AES-CBC';

export const mechanismOption = () =>
  new Option('-m, --mechanism <name>', 'a raw one, without format, key id or version').choices([
    'AES-GCM',
    'AES-CTR',
    'AES-CBC',
  ]);
export const ivOption = (what: string) => new Option('--iv <hex>', what).argParser(hex);

export function encrypt(parent: Command): void {
  aadOptions(
    command(
      parent,
      'encrypt [file]',
      'Encrypt a file or stdin of any size. The result names its format and its key, so `keycell decrypt` needs no more.\n\n' +
        'It is a stream: segments of 64 KiB, each authenticated. --envelope makes one envelope instead, at most 16 MiB,\n' +
        'which `session.decrypt` opens. A raw mechanism gives the IV, then the ciphertext (and for GCM the tag).',
      [
        'keycell encrypt --key files --out backup.tar.kc backup.tar',
        'tar c docs | keycell encrypt --key files --aad "docs of may" --out docs.tar.kc',
        'keycell encrypt --key files --envelope --encode base64 note.txt',
      ],
    ),
  )
    .addOption(keyOption('an AES key: its label or id'))
    .addOption(new Option('--envelope', 'one envelope in place of a stream').conflicts('mechanism'))
    .addOption(mechanismOption())
    .addOption(ivOption('raw mechanisms, with keys made with --caller-iv: the IV, which then is not in the result'))
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

interface Options extends AadOptions, DataOptions {
  readonly key: string;
  readonly envelope?: true;
  readonly mechanism?: RawMechanism;
  readonly iv?: Uint8Array;
}

async function task(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  checkRaw(options);
  await cli.beforeInput(file, 'text');
  if (options.mechanism === undefined && !options.envelope) await stream(cli, file, options);
  else await message(cli, file, options);
}

/** What only raw mechanisms take, or only AES-GCM of them. */
export function checkRaw(options: AadOptions & { readonly mechanism?: RawMechanism; readonly iv?: Uint8Array }): void {
  const { mechanism, iv } = options;
  if (mechanism === undefined && iv !== undefined) {
    throw new UsageError('--iv is for raw mechanisms', 'name one with --mechanism');
  }
  if (mechanism !== undefined && mechanism !== 'AES-GCM' && aadOf(options).aad) {
    throw new UsageError(`${mechanism} takes no --aad`);
  }
}

async function stream(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  const input = await ahead(file);
  await cli.withSession(async (session) => {
    const key = await findAes(session, options.key);
    await transform(cli, input, options, {
      by: session.encryptStream(key, aadOf(options)),
      kind: 'binary',
      document: { key: key.id, format: 'stream' },
    });
  });
}

async function message(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  const { mechanism } = options;
  const plaintext = await readInput(file);
  try {
    await cli.withSession(async (session) => {
      const key = await findAes(session, options.key);
      const ciphertext = mechanism
        ? await raw(session, key, plaintext, mechanism, options)
        : await session.encrypt(key, plaintext, aadOf(options));
      const document = { key: key.id, format: mechanism ?? 'envelope' };
      await cli.data(ciphertext, options, { kind: 'binary', document, member: 'ciphertext' });
    });
  } finally {
    plaintext.fill(0);
  }
}

/** The IV first, where it was the cell that drew it. */
async function raw(
  session: Session,
  key: AesKey,
  plaintext: Uint8Array,
  mechanism: RawMechanism,
  options: Options,
): Promise<Uint8Array> {
  const given = options.iv === undefined ? {} : { iv: options.iv };
  const { iv, ciphertext } =
    mechanism === 'AES-GCM'
      ? await session.encrypt(key, plaintext, { mechanism, ...given, ...aadOf(options) })
      : await session.encrypt(key, plaintext, { mechanism, ...given });
  return options.iv === undefined ? Buffer.concat([iv, ciphertext]) : ciphertext;
}
