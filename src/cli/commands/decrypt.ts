/** keycell decrypt */
import { type Command, Option } from 'commander';
import type { Session } from '../../model/hsm.ts';
import type { AesKey, Bytes } from '../../model/key.ts';
import { type Cli, type DataOptions, findAes, isStdout, run, secretInJson } from '../context.ts';
import { UsageError } from '../failure.ts';
import { type Ahead, ahead, readInput } from '../files.ts';
import { formatOf } from '../format.ts';
import { command } from '../group.ts';
import { type AadOptions, aadOf, aadOptions, encodeOption, outOption } from '../options.ts';
import { transform } from '../stream.ts';
import { checkRaw, ivOption, mechanismOption, type RawMechanism } from './encrypt.ts';

const IV_SIZE: Record<RawMechanism, number> = { 'AES-GCM': 12, 'AES-CTR': 16, 'AES-CBC': 16 };

export function decrypt(parent: Command): void {
  aadOptions(
    command(
      parent,
      'decrypt [file]',
      'Decrypt what `keycell encrypt` or `keycell datakey new` made, a stream or an envelope: it says which, and by which key.\n\n' +
        'With --out, the file appears when all of it is authentic. To stdout, a stream comes segment by segment, each\n' +
        'authentic, and only exit code 0 says that the end was there. AES-CTR and AES-CBC authenticate nothing.',
      [
        'keycell decrypt --out backup.tar backup.tar.kc',
        'set -o pipefail; keycell decrypt docs.tar.kc --aad "docs of may" | tar x',
        'keycell decrypt --mechanism AES-CBC --key shared --iv 000102030405060708090a0b0c0d0e0f from-openssl.bin',
      ],
    ),
  )
    .addOption(
      new Option(
        '-k, --key <key>',
        'the key: needed with a raw mechanism, else it must be the one that the data names',
      ),
    )
    .addOption(mechanismOption())
    .addOption(ivOption('raw mechanisms: the IV; without it the input begins with it'))
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

interface Options extends AadOptions, DataOptions {
  readonly key?: string;
  readonly mechanism?: RawMechanism;
  readonly iv?: Uint8Array;
}

async function task(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  const { mechanism, key } = options;
  if (cli.json && isStdout(options)) throw secretInJson();
  checkRaw(options);
  await cli.beforeInput(file, 'binary');
  if (mechanism !== undefined) {
    if (key === undefined) throw new UsageError('a raw ciphertext does not name its key', 'name it with --key');
    const input = await readInput(file);
    await message(cli, options, key, mechanism, (session, found) => raw(session, found, input, mechanism, options));
    return;
  }
  const input = await ahead(file);
  const { format, keyId } = formatOf(input.first);
  const name = key ?? `id:${keyId}`;
  if (format === 'stream') await stream(cli, input, options, name);
  else {
    const envelope = await readInput(input);
    await message(cli, options, name, format, (session, found) => session.decrypt(found, envelope, aadOf(options)));
  }
}

async function stream(cli: Cli, input: Ahead, options: Options, name: string): Promise<void> {
  await cli.withSession(async (session) => {
    const key = await findAes(session, name);
    await transform(cli, input, options, {
      by: session.decryptStream(key, aadOf(options)),
      kind: 'plaintext',
      document: { key: key.id, format: 'stream' },
    });
  });
}

async function message(
  cli: Cli,
  options: Options,
  name: string,
  format: string,
  open: (session: Session, key: AesKey) => Promise<Bytes>,
): Promise<void> {
  await cli.withSession(async (session) => {
    const key = await findAes(session, name);
    const plaintext = await open(session, key);
    await cli.data(plaintext, options, { kind: 'plaintext', document: { key: key.id, format } });
  });
}

function raw(
  session: Session,
  key: AesKey,
  input: Uint8Array,
  mechanism: RawMechanism,
  options: Options,
): Promise<Bytes> {
  const size = options.iv === undefined ? IV_SIZE[mechanism] : 0;
  if (input.length < size)
    throw new UsageError('the input is shorter than an IV', 'give the IV with --iv if it lies elsewhere');
  const iv = options.iv ?? input.subarray(0, size);
  const ciphertext = input.subarray(size);
  if (mechanism === 'AES-GCM') return session.decrypt(key, ciphertext, { mechanism, iv, ...aadOf(options) });
  return session.decrypt(key, ciphertext, { mechanism, iv });
}
