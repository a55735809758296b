/** keycell key derive */
import { type Command, Option } from 'commander';
import type { DeriveOptions, Kdf } from '../../../model/hsm.ts';
import type { HashName } from '../../../model/key.ts';
import { type Cli, findKey, findKeyOf, run } from '../../context.ts';
import { keyDocument, nameOf } from '../../describe.ts';
import { UsageError } from '../../failure.ts';
import { readInput } from '../../files.ts';
import { command } from '../../group.ts';
import {
  givenOf,
  hex,
  issuerName,
  keyOption,
  partialTemplateOf,
  type TemplateOptions,
  templateOptions,
} from '../../options.ts';
import { publicKey } from '../../public-key.ts';

export function derive(parent: Command): void {
  templateOptions(
    command(
      parent,
      'derive',
      'Derive a key from another: from an EC key by ECDH with the public key of a --peer, or from an HMAC or GENERIC key.\n' +
        "It can be no more than the base's derive template allows, which fills in what you leave out. A base without one\n" +
        'derives by --kdf bound, or by ECDH with --kdf concat for an algorithm of RFC 7518.\n' +
        'The result stays in the HSM, a key of the store. Prints its id.',
      [
        'keycell key derive --key mailbox --peer sender.pem --info "file 7" --label file-7',
        'keycell key derive --key base --kdf bound --info tokens --type HMAC --label tokens',
      ],
    ).addOption(keyOption('the key to derive from (usage derive): its label or id')),
    { template: "the base's template", extractable: false },
  )
    .option('--peer <file>', 'ECDH: the public key of the other side, as SPKI (PEM or DER), raw point or JWK')
    .addOption(new Option('--kdf <name>', 'how').choices(['hkdf', 'sp800-108', 'concat', 'bound']).default('hkdf'))
    .addOption(new Option('--hash <hash>', 'of the KDF').choices(['SHA-256', 'SHA-384', 'SHA-512']).default('SHA-256'))
    .option(
      '--info <text>',
      "what the key is for: HKDF's info, the label of SP 800-108 and bound, the algorithm of concat",
      '',
    )
    .addOption(new Option('--salt <hex>', 'HKDF').argParser(hex))
    .option('--context <text>', 'SP 800-108 and bound')
    .action(run(task));
}

interface Options extends TemplateOptions {
  readonly key: string;
  readonly peer?: string;
  readonly kdf: 'hkdf' | 'sp800-108' | 'concat' | 'bound';
  readonly hash: HashName;
  readonly info: string;
  readonly salt?: Uint8Array;
  readonly context?: string;
}

async function task(cli: Cli, options: Options): Promise<void> {
  if (options.peer !== undefined) await cli.beforeInput(options.peer, 'text');
  const peer = options.peer === undefined ? undefined : await readInput(options.peer);
  const kdf = kdfOf(options);
  await cli.withSession(async (session) => {
    const base = await findKeyOf(session, options.key, 'EC', 'HMAC', 'GENERIC');
    if (base.type === 'EC' && peer === undefined)
      throw new UsageError('ECDH needs two', 'give the other with --peer FILE');
    if (base.type !== 'EC' && peer !== undefined)
      throw new UsageError(`--peer does not suit a key of type ${base.type}`);
    const issuer = issuerName(options);
    const named = issuer === undefined ? undefined : await findKey(session, issuer);
    // Without a template an algorithm of RFC 7518 says what its key is.
    const agreed = options.kdf === 'concat' && base.deriveTemplate === undefined;
    const template = agreed ? givenOf(options, named) : partialTemplateOf(options, named, base.deriveTemplate);
    const how = peer === undefined ? { mechanism: 'KDF', kdf } : { mechanism: 'ECDH', publicKey: publicKey(peer), kdf };
    const key = await session.deriveKey(base, how as DeriveOptions, { ...template, persistent: true });
    cli.note(`Derived ${nameOf(key)}`);
    cli.answer(keyDocument(key), key.id);
  });
}

function kdfOf({ kdf, hash, info, salt, context }: Options): Kdf {
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (kdf !== 'hkdf' && salt !== undefined) throw new UsageError('--salt is for hkdf');
  if (kdf !== 'sp800-108' && kdf !== 'bound' && context !== undefined)
    throw new UsageError('--context is for sp800-108 and bound');
  const labelled = { hash, label: bytes(info), ...(context !== undefined && { context: bytes(context) }) };
  const given = {
    hkdf: { name: 'hkdf', hash, info: bytes(info), ...(salt && { salt }) },
    'sp800-108': { name: 'sp800-108', ...labelled },
    bound: { name: 'bound', ...labelled },
    concat: { name: 'concat', hash, algorithm: info },
  } as Record<Options['kdf'], Kdf>;
  return given[kdf];
}
