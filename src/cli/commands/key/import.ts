/** keycell key import */
import { type Command, Option } from 'commander';
import type { PublicKeyTemplate, Session } from '../../../model/hsm.ts';
import type { Key } from '../../../model/key.ts';
import { type Cli, findKey, run } from '../../context.ts';
import { keyDocument, nameOf } from '../../describe.ts';
import { decode, encode, textForm } from '../../encode.ts';
import { UsageError } from '../../failure.ts';
import { readInput } from '../../files.ts';
import { command } from '../../group.ts';
import { issuerName, type TemplateOptions, templateOf, templateOptions } from '../../options.ts';
import { publicKey } from '../../public-key.ts';

const MATERIAL_MAX = 65536;

export function importKey(parent: Command): void {
  templateOptions(
    command(
      parent,
      'import [file]',
      'Bring a key in, from a file or stdin; what is left outside is for you to destroy.\n\n' +
        'Secret keys are raw bytes; EC private keys PKCS#8 or SEC 1 (PEM or DER) or the raw scalar; with --public, EC public\n' +
        'keys as SPKI or a certificate (PEM or DER), a raw point or a JWK. The length of the file says --bits unless you\n' +
        'do. Prints its id.',
      [
        'openssl rand 32 | keycell key import --type AES --label shared',
        'keycell key import --type AES --decode hex --label partner-key partner.hex',
        'keycell key import --curve P-256 --label old-signer signer.pem',
        'keycell key import --public --curve P-256 --usage verify --label partner partner.pem',
      ],
    ),
  )
    .addOption(new Option('--public', 'a public key (EC)'))
    .addOption(
      new Option('--decode <form>', 'what the file has in place of bytes: hex, or base64 of either alphabet')
        .choices(['hex', 'base64', 'raw'])
        .default(undefined, 'raw, which is refused where it looks like one of the others unless it is said'),
    )
    .action(run(task));
}

type Options = TemplateOptions & { readonly public?: true; readonly decode?: 'hex' | 'base64' | 'raw' };

async function task(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  await cli.beforeInput(file, options.public ? 'text' : 'key');
  const material = materialOf(await readInput(file, MATERIAL_MAX), options);
  try {
    await cli.withSession(async (session) => {
      const key = await imported(session, material, options);
      cli.note(`${nameOf(key)}, for ${key.usage.join(', ') || 'nothing'}`);
      cli.answer(keyDocument(key), key.id);
    });
  } finally {
    material.fill(0);
  }
}

/** The key's bytes. Its text in place of them would be a key too, of twice the bits and half the entropy. */
function materialOf(input: Uint8Array<ArrayBuffer>, { decode: form }: Options): Uint8Array<ArrayBuffer> {
  if (form === 'raw') return input;
  try {
    if (form !== undefined) {
      const decoded = decode(input, form);
      if (decoded === undefined) throw new UsageError(`the input is not ${form}`);
      return decoded;
    }
    const seen = textForm(input);
    if (seen === undefined) return encode(input, 'raw');
    const advice = `decode it with --decode ${seen}, or import it as it stands with --decode raw`;
    throw new UsageError(`the input is text, ${seen} by its looks, and not the bytes of a key`, advice);
  } finally {
    input.fill(0);
  }
}

async function imported(session: Session, material: Uint8Array, options: Options): Promise<Key> {
  if (options.public) {
    const usage = options.usage ?? ['verify'];
    const template = {
      ...templateOf({ ...options, type: options.type ?? 'EC', usage }),
      class: 'public',
    } as PublicKeyTemplate;
    return session.importKey(template, publicKey(material));
  }
  const issuer = issuerName(options);
  const secret = options.type !== 'EC' && options.curve === undefined;
  const bits = options.bits ?? (secret ? 8 * material.length : undefined);
  const given = bits === undefined ? options : { ...options, bits };
  const template = templateOf(given, issuer === undefined ? undefined : await findKey(session, issuer));
  return session.importKey(template, material, { wipe: true });
}
