/** keycell rewrap */
import { type Command, Option } from 'commander';
import type { Recipient, RewrapToJweOptions, RewrapToKeyOptions } from '../../model/hsm.ts';
import { type Cli, type DataOptions, findAes, findKey, isStdout, run } from '../context.ts';
import { UsageError } from '../failure.ts';
import { mustBeOneStdin, readInput } from '../files.ts';
import { command } from '../group.ts';
import { encodeOption, keyOption, outOption } from '../options.ts';
import { publicKey } from '../public-key.ts';

export function rewrap(parent: Command): void {
  command(
    parent,
    'rewrap [file]',
    'Open wrapped keys and wrap them for another, inside a cell: to a key of this HSM, or as a JWE to a public key.\n\n' +
      'One blob goes in and one comes out. With --lines, a blob in base64 a line goes in, and a line of base64, or a\n' +
      'compact JWE, comes out for each: all of them, or none.',
    [
      'keycell rewrap --key old-kek --to new-kek content-key.kw --out content-key.new.kw',
      'keycell rewrap --key kek --as JWE --to-public device.jwk content-key.kw --out content-key.jwe',
      'keycell rewrap --key old-kek --to new-kek --lines wrapped.txt --out rewrapped.txt',
    ],
  )
    .addOption(keyOption('the key they are wrapped under (AES, usage unwrap): its label or id'))
    .addOption(
      new Option('-m, --mechanism <name>', 'how they are wrapped').choices(['AES-KW', 'AES-KWP']).default('AES-KW'),
    )
    .option('--to <key>', 'a key of this HSM: AES, or EC for a JWE')
    .addOption(new Option('--to-public <file>', 'a public key as JWK, or as SPKI in PEM or DER').conflicts('to'))
    .addOption(
      new Option(
        '--proof <file>',
        "the recipient's proof, a compact JWS, where the key's policy asks for one",
      ).conflicts('to'),
    )
    .addOption(
      new Option('--as <form>', 'default: AES-KW, and JWE for a public key').choices(['AES-KW', 'AES-KWP', 'JWE']),
    )
    .option('--lines', 'many: a line each')
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

interface Options extends DataOptions {
  readonly key: string;
  readonly mechanism: 'AES-KW' | 'AES-KWP';
  readonly to?: string;
  readonly toPublic?: string;
  readonly proof?: string;
  readonly as?: 'AES-KW' | 'AES-KWP' | 'JWE';
  readonly lines?: true;
}

async function task(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  const { mechanism } = options;
  mustBeOneStdin(file ?? '-', options.toPublic, options.proof);
  await cli.beforeInput(file, options.lines ? 'text' : 'binary');
  // What comes through a pipe is read before the folder is taken: its writer may want the folder first.
  const outside = await outsideOf(cli, options);
  const input = await readInput(file);
  const blobs = options.lines ? blobsOf(input) : [input];
  await cli.withSession(async (session) => {
    const from = await findAes(session, options.key);
    const to = outside ?? (await findKey(session, options.to!));
    const as = options.as ?? (to !== null && 'type' in to && to.type === 'AES' ? 'AES-KW' : 'JWE');
    // The HSM says which of these suit each other.
    const call = { from, mechanism, to, as } as RewrapToKeyOptions;
    const wrapped: (Uint8Array | string)[] =
      as === 'JWE'
        ? await session.rewrapKeys(blobs, call as unknown as RewrapToJweOptions)
        : await session.rewrapKeys(blobs, call);
    const texts = wrapped.map((each) => (typeof each === 'string' ? each : Buffer.from(each).toString('base64')));
    if (cli.json && isStdout(options)) {
      cli.answer({ key: from.id, as, wrapped: texts }, '');
      return;
    }
    const [first] = wrapped;
    const raw = !options.lines && first instanceof Uint8Array;
    if (!raw && options.encode !== undefined) throw new UsageError('the result is text already', 'leave --encode out');
    const bytes = raw ? first : new TextEncoder().encode(texts.map((text) => `${text}\n`).join(''));
    const document = { key: from.id, as, count: wrapped.length };
    await cli.data(bytes, options, { kind: raw ? 'binary' : 'text', document, member: 'wrapped' });
  });
}

function blobsOf(input: Uint8Array): Uint8Array[] {
  const lines = Buffer.from(input)
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line, i) => {
    if (!/^[A-Za-z0-9+/]+={0,2}\r?$/.test(line)) throw new UsageError(`line ${i + 1} is not base64`);
    return new Uint8Array(Buffer.from(line, 'base64'));
  });
}

/** Somebody outside; undefined where a key of this HSM is named. */
async function outsideOf(cli: Cli, { to, toPublic, proof }: Options): Promise<Recipient | undefined> {
  if (to !== undefined) return undefined;
  if (toPublic === undefined) throw new UsageError('no recipient is named', 'give --to KEY or --to-public FILE');
  await cli.beforeInput(toPublic, 'text');
  const key = publicKey(await readInput(toPublic));
  const known = key instanceof Uint8Array ? { spki: key } : { jwk: key };
  if (proof === undefined) return known;
  await cli.beforeInput(proof, 'text');
  return { ...known, proof: new TextDecoder().decode(await readInput(proof)).trim() };
}
