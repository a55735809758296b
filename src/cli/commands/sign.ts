/** keycell sign */
import { type Command, Option } from 'commander';
import type { SignOptions } from '../../model/hsm.ts';
import type { HashName } from '../../model/key.ts';
import { type Cli, type DataOptions, findKeyOf, run } from '../context.ts';
import { textForm } from '../encode.ts';
import { UsageError } from '../failure.ts';
import { ahead, readInput } from '../files.ts';
import { command } from '../group.ts';
import { encodeOption, hashOption, keyOption, outOption } from '../options.ts';

const DIGEST_MAX = 64;
const LINE_END_MAX = 2;

export function sign(parent: Command): void {
  signingOptions(
    command(
      parent,
      'sign [file]',
      'Sign a file or stdin: ECDSA with an EC key, whatever the size; HMAC or CMAC with a secret one, to 16 MiB.',
      [
        'keycell sign --key licence-signing --format der --out app.sig app.tar',
        'cat app.tar | keycell sign --key licence-signing --encode base64',
        'openssl dgst -sha256 -binary disk.img | keycell sign --key licence-signing --prehashed --out disk.sig',
      ],
    ).addOption(keyOption('the key that signs: its label or id')),
  )
    .addOption(
      new Option('--nonce <how>', 'ECDSA: noise beside RFC 6979, or RFC 6979 alone')
        .choices(['hedged', 'rfc6979'])
        .default('hedged'),
    )
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

/** What signer and verifier must agree on. */
export function signingOptions(made: Command): Command {
  return made
    .addOption(
      new Option('--format <form>', 'ECDSA: r and s at full length, or DER as openssl wants it')
        .choices(['p1363', 'der'])
        .default('p1363'),
    )
    .addOption(hashOption())
    .option('--prehashed', 'the input is the digest already');
}

export interface SigningOptions {
  readonly key: string;
  readonly format: 'p1363' | 'der';
  readonly hash?: HashName;
  readonly prehashed?: true;
  readonly nonce?: 'hedged' | 'rfc6979';
}

/** What applies to a key of this type. */
export function signOptionsOf(type: string, { format, hash, prehashed, nonce }: SigningOptions): SignOptions {
  if (type !== 'EC') return { ...(hash && { hash }) };
  return { format, ...(hash && { hash }), ...(prehashed && { prehashed }), ...(nonce && { nonce }) };
}

/** A digest is short; a message of any length comes in pieces, the first of them before the folder is locked. */
export const messageOf = (file: string | undefined, { prehashed }: SigningOptions) =>
  prehashed ? readDigest(file) : ahead(file);

async function readDigest(file: string | undefined): Promise<Uint8Array> {
  const digest = await readInput(file, 2 * DIGEST_MAX + LINE_END_MAX);
  // The hex of a SHA-256 has the length of a SHA-512.
  if (textForm(digest) === undefined && digest.length <= DIGEST_MAX) return digest;
  throw new UsageError('the input is no digest in bytes', 'for example: openssl dgst -sha256 -binary FILE');
}

async function task(cli: Cli, file: string | undefined, options: SigningOptions & DataOptions): Promise<void> {
  await cli.beforeInput(file, options.prehashed ? 'binary' : 'text');
  const message = await messageOf(file, options);
  await cli.withSession(async (session) => {
    const key = await findKeyOf(session, options.key, 'EC', 'HMAC', 'AES');
    const signature = await session.sign(key, message, signOptionsOf(key.type, options));
    await cli.data(signature, options, { kind: 'binary', document: { key: key.id }, member: 'signature' });
  });
}
