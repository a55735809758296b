/** keycell datakey new */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Cli, findAes, run, secretInJson } from '../../context.ts';
import { ENCODINGS, type Encoding } from '../../encode.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { type AadOptions, aadOf, aadOptions, forceOption, keyOption, whole } from '../../options.ts';

const MAX = 4096;

export function create(parent: Command): void {
  aadOptions(
    command(
      parent,
      'new',
      'Draw a fresh data key in a cell and write its envelope, which is no secret: only this HSM opens it.\n' +
        'The key itself is written only where --plaintext-out says.',
      [
        'keycell datakey new --key disks --out volume.kc',
        'keycell datakey new --key disks --bytes 64 --out volume.kc --plaintext-out volume.key',
      ],
    ),
  )
    .addOption(keyOption('the AES key that seals it: its label or id'))
    .addOption(new Option('--bytes <n>', `its length, 1 to ${MAX}`).argParser(count).default(32))
    .requiredOption('-o, --out <file>', 'where the envelope goes ("-": stdout)')
    .option('--plaintext-out <file>', 'where the key itself goes ("-": stdout)')
    .addOption(
      new Option('--encode <form>', 'of the key itself: raw bytes, or a line of text')
        .choices([...ENCODINGS])
        .default('raw'),
    )
    .addOption(forceOption('replace files: what an old envelope opened is lost without it'))
    .action(run(task));
}

function count(text: string): number {
  const bytes = whole(text);
  if (bytes < 1 || bytes > MAX) throw new InvalidArgumentError(`It is 1 to ${MAX}.`);
  return bytes;
}

interface Options extends AadOptions {
  readonly key: string;
  readonly bytes: number;
  readonly out: string;
  readonly plaintextOut?: string;
  readonly encode: Encoding;
  readonly force?: true;
}

async function task(cli: Cli, options: Options): Promise<void> {
  const { out, plaintextOut, force = false } = options;
  if (out === '-' && plaintextOut === '-')
    throw new UsageError('envelope and key would both go to stdout', 'give --out FILE');
  if (cli.json && (out === '-' || plaintextOut === '-')) throw secretInJson();
  await cli.withSession(async (session) => {
    const key = await findAes(session, options.key);
    // Where they go is opened first: a key that nobody could reopen must not get out.
    const envelope = await cli.output({ out, force }, 'envelope');
    const secret = plaintextOut === undefined ? undefined : await cli.output({ out: plaintextOut, force }, 'key');
    const { plaintext, ciphertext } = await session.generateDataKey(key, { bytes: options.bytes, ...aadOf(options) });
    try {
      await envelope.write(ciphertext);
      await envelope.commit();
      if (secret) await cli.send(plaintext, secret, options.encode);
    } catch (error) {
      await envelope.discard();
      await secret?.discard();
      throw error;
    } finally {
      plaintext.fill(0);
    }
    cli.note(`A data key of ${options.bytes} bytes; its envelope is in ${out}`);
    if (cli.json) cli.answer({ key: key.id, out, bytes: options.bytes }, '');
  });
}
