/** Options that several commands share, and how their texts become values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CURVES, DEFAULT_USAGE, TYPES, USAGES } from '../model/attributes.ts';
import type {
  Curve,
  Extractable,
  KeyPattern,
  KeyTemplate,
  KeyType,
  PartialTemplate,
  PatternInfo,
} from '../model/key.ts';
import { ENCODINGS } from './encode.ts';
import { UsageError } from './failure.ts';

export function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

export function seconds(text: string): number {
  if (!/^\d{1,6}(\.\d+)?$/.test(text)) throw new InvalidArgumentError('It is a number of seconds.');
  return Number(text);
}

export function hex(text: string): Uint8Array<ArrayBuffer> {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new InvalidArgumentError('It is hex digits, two a byte.');
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function time(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new InvalidArgumentError('It is a time as 2030-01-31 or 2030-01-31T12:00Z.');
  return date;
}

const list = (text: string): string[] => text.split(',').filter((word) => word !== '');

function template(text: string): object | 'any' {
  if (text === 'any') return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {}
  throw new InvalidArgumentError('It is a JSON object, or "any".');
}

export const outOption = () => new Option('-o, --out <file>', 'where the result goes ("-": stdout)').default('-');
export const encodeOption = () =>
  new Option('--encode <form>', 'raw bytes, or a line of text')
    .choices([...ENCODINGS])
    .default(undefined, 'raw, which no terminal is sent unless it is said');
export const forceOption = (what: string) => new Option('--force', what);
export const keyOption = (what: string) => new Option('-k, --key <key>', what).makeOptionMandatory();
export const yesOption = () => new Option('-y, --yes', 'do not ask');
export const hashOption = () =>
  new Option('--hash <hash>', "default: the curve's own").choices(['SHA-256', 'SHA-384', 'SHA-512']);

export interface AadOptions {
  readonly aad?: string;
  readonly aadHex?: Uint8Array;
}
/** Data that is authenticated with the ciphertext and not in it. It is no secret. */
export function aadOptions(command: Command): Command {
  return command
    .option('--aad <text>', 'associated data: text that decryption must be given again')
    .addOption(new Option('--aad-hex <hex>', 'the same as bytes').argParser(hex).conflicts('aad'));
}
export function aadOf(options: AadOptions): { aad?: Uint8Array } {
  if (options.aadHex !== undefined) return { aad: options.aadHex };
  return options.aad === undefined ? {} : { aad: new TextEncoder().encode(options.aad) };
}

const DEFAULT_BITS = 256;

export const typeOption = () => new Option('--type <type>', 'kind of key').choices(TYPES);
export const curveOption = () => new Option('--curve <curve>', 'EC').choices(CURVES);

export interface TemplateOptions {
  readonly type?: KeyType;
  readonly bits?: number;
  readonly curve?: Curve;
  readonly usage?: string[];
  readonly label?: string;
  readonly id?: string;
  readonly extractable?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly destroyable: boolean;
  readonly wrapWithTrusted?: true;
  readonly dualUse?: true;
  readonly callerIv?: true;
  readonly rewrapPolicy?: string;
  readonly unwrapTemplate?: KeyPattern | 'any';
  readonly deriveTemplate?: KeyPattern | 'any';
  readonly proofMaxAge?: number;
  readonly proofBlobs?: 'required';
}

/** Whose template fills in what is left out. */
interface Above {
  readonly template: string;
  /** What is derived leaves only if that is asked for. */
  readonly extractable: boolean;
}

/** What a new key shall be, however it comes in. */
export function templateOptions(command: Command, above?: Above): Command {
  const otherwise = (text: string): string => (above === undefined ? text : `${above.template}, else ${text}`);
  return command
    .addOption(typeOption().default(undefined, otherwise('EC where --curve is given, else AES')))
    .addOption(
      new Option('--bits <n>', 'AES: 128, 192 or 256; HMAC, GENERIC: a multiple of 8')
        .argParser(whole)
        .default(undefined, otherwise('256')),
    )
    .addOption(curveOption().default(undefined, otherwise('P-256 for type EC')))
    .addOption(
      new Option('--usage <list>', `of ${USAGES.join(', ')}; "" for none`)
        .argParser(list)
        .default(undefined, otherwise('encrypt,decrypt; sign,verify for EC and HMAC; derive for GENERIC')),
    )
    .option('-l, --label <label>', 'unique among the keys of this user')
    .option('--id <id>', '32 hex digits; random unless given')
    .addOption(
      new Option('--extractable <how>', 'how it may leave the HSM')
        .choices(['no', 'wrapped', 'plaintext'])
        .default(undefined, above?.extractable ? otherwise('no') : 'no'),
    )
    .option('--not-before <time>', 'works from then on', time)
    .option('--not-after <time>', 'works until then', time)
    .option('--no-destroyable', 'nobody can ever destroy it')
    .option('--wrap-with-trusted', 'may be wrapped only by a key that an admin marked as trusted')
    .option('--dual-use', 'allow usages that together can extract keys or forge')
    .option('--caller-iv', 'AES: whoever encrypts gives the IV, and answers for it')
    .addOption(
      new Option('--rewrap-policy <whom>', 'AES: to whom it may re-wrap: trusted, any, or issuer:KEY').default(
        undefined,
        otherwise('trusted'),
      ),
    )
    .option('--proof-max-age <seconds>', "issuer:KEY: a proof's longest life, 3600 unless given", whole)
    .addOption(new Option('--proof-blobs <how>', 'issuer:KEY: a proof must list its blobs').choices(['required']))
    .option('--unwrap-template <json>', 'AES: the most that a key it unwraps can be', template)
    .option('--derive-template <json>', 'the most that a key derived from it can be', template);
}

/** The options as the library's template; whether their values suit each other is for the HSM to say. */
export function templateOf(options: TemplateOptions, issuer?: { readonly id: string }): KeyTemplate {
  const given = givenOf(options, issuer);
  const type = given.type ?? 'AES';
  return { type, usage: DEFAULT_USAGE[type], extractable: false, ...sizeOf(type), ...given } as KeyTemplate;
}

/** The same for a key that comes of another, whose `template` fills in what the options leave out, except what it leaves open. */
export function partialTemplateOf(
  options: TemplateOptions,
  issuer: { readonly id: string } | undefined,
  template: PatternInfo | 'any' | undefined,
): PartialTemplate {
  const given = givenOf(options, issuer);
  const type = given.type ?? (template === 'any' ? 'AES' : template?.type);
  if (template === undefined || template === 'any' || type !== template.type) return templateOf(options, issuer);
  const open = (type === 'EC' ? template.curve : template.bits) === undefined;
  return { ...(open && sizeOf(type)), ...given } as PartialTemplate;
}

/** What the options say, and nothing else. */
export function givenOf(options: TemplateOptions, issuer?: { readonly id: string }): PartialTemplate {
  const { bits, curve, usage, label, id, extractable, notBefore, notAfter } = options;
  const { wrapWithTrusted, dualUse, callerIv, rewrapPolicy, unwrapTemplate, deriveTemplate } = options;
  const { proofMaxAge, proofBlobs: blobs } = options;
  const type = options.type ?? (curve === undefined ? undefined : 'EC');
  const misfit = type === 'EC' ? bits !== undefined && '--bits' : curve !== undefined && '--curve';
  if (misfit) throw new UsageError(`${misfit} does not suit a key of type ${type}`);
  if (issuer === undefined && (proofMaxAge !== undefined || blobs !== undefined)) {
    throw new UsageError('--proof-max-age and --proof-blobs go with --rewrap-policy issuer:KEY');
  }
  const proofs = { ...(proofMaxAge !== undefined && { proofMaxAge }), ...(blobs && { blobs }) };
  const policy = issuer === undefined ? rewrapPolicy : { issuer, ...proofs };
  return {
    ...(type !== undefined && { type }),
    ...(usage !== undefined && { usage }),
    ...(extractable !== undefined && { extractable: EXTRACTABLE[extractable] }),
    ...(bits !== undefined && { bits }),
    ...(curve !== undefined && { curve }),
    ...(label !== undefined && { label }),
    ...(id !== undefined && { id }),
    ...(notBefore && { notBefore }),
    ...(notAfter && { notAfter }),
    ...(!options.destroyable && { destroyable: false }),
    ...(wrapWithTrusted && { wrapWithTrusted }),
    ...(dualUse && { dualUse }),
    ...(callerIv && { callerIv }),
    ...(policy !== undefined && { rewrapPolicy: policy }),
    ...(unwrapTemplate && { unwrapTemplate }),
    ...(deriveTemplate && { deriveTemplate }),
  } as PartialTemplate;
}

const sizeOf = (type: KeyType): { curve: Curve } | { bits: number } =>
  type === 'EC' ? { curve: 'P-256' } : { bits: DEFAULT_BITS };

export const EXTRACTABLE: Record<string, Extractable> = { no: false, wrapped: 'wrapped', plaintext: 'plaintext' };

/** The key that `--rewrap-policy issuer:KEY` names. Throws where the policy is none that there is. */
export function issuerName({ rewrapPolicy }: TemplateOptions): string | undefined {
  if (rewrapPolicy?.startsWith('issuer:')) return rewrapPolicy.slice('issuer:'.length);
  if (rewrapPolicy === undefined || ['trusted', 'any'].includes(rewrapPolicy)) return undefined;
  throw new UsageError('--rewrap-policy is trusted, any, or issuer:KEY');
}
