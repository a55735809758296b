/**
 * JWE in its compact serialization (RFC 7516 §3.1): the content key is made, agreed on or unwrapped in the cell and stays
 * there; only public parts, ciphertext and the caller's plaintext pass through here.
 */
import { HsmError } from '../errors.ts';
import type { CallOptions, Session } from '../model/hsm.ts';
import type { AesBits, AesCbcHmacKey, AesKey, Bytes, Curve, EcKey, Jwk, PublicKeyInput } from '../model/key.ts';
import { HEADER_BOUNDS } from '../model/limits.ts';
import { isBytes } from '../model/values.ts';
import { ENCRYPTIONS, encryptionOf, isFor, type JweAlgorithm, type JweEncryption, MANAGEMENT } from './algorithms.ts';
import { curveOfJwk, curveOfPublicKey, isJwk, mayBeFor } from './keys.ts';
import {
  bytesOf,
  callOptions,
  checkHeader,
  checkOptions,
  fromBase64url,
  invalid,
  isObject,
  type ProtectedHeader,
  partyOf,
  readHeader,
  readParty,
  refused,
  split,
  toBase64url,
  told,
  utf8,
  writeObject,
} from './parts.ts';

/** A key that encrypts content itself: by AES-GCM, or by CBC and HMAC. */
type ContentHandle = AesKey | AesCbcHmacKey;

/**
 * An EC key (a handle, or a public key that names its curve: a JWK, or SPKI or a certificate in DER or PEM), or a secret key of
 * the session's user: AES, or AES-CBC-HMAC for `dir`.
 */
export type JweRecipient = EcKey | ContentHandle | PublicKeyInput;

export interface EncryptJweOptions extends CallOptions {
  /**
   * Default: ECDH-ES for EC keys, `dir` for AES and AES-CBC-HMAC keys that encrypt, AES Key Wrap for those that wrap. A JWK that
   * names an `alg` is for that one alone.
   */
  readonly alg?: JweAlgorithm;
  /** Default A256GCM; with `dir`, what the key's type and size say. */
  readonly enc?: JweEncryption;
  /** Members of the protected header besides alg, enc, epk, apu and apv. `kid: undefined` leaves the kid out. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Who sends and who receives, as both agree to write it: goes into the agreement (RFC 7518 §4.6.1). */
  readonly apu?: Uint8Array;
  readonly apv?: Uint8Array;
}

export interface DecryptJweOptions extends CallOptions {
  /** The algorithms to allow. Default: all that suit the key. */
  readonly algorithms?: readonly JweAlgorithm[];
  readonly encryptions?: readonly JweEncryption[];
}

/** RFC 3394 §2.2.1. */
const KW_OVERHEAD = 8;
const CELL_SETS = ['alg', 'enc', 'epk', 'apu', 'apv'];

/**
 * Encrypt for a recipient, as a compact JWE.
 * Each EC message has its own ephemeral key, a session key of the cell. Throws INPUT_INVALID (a recipient that is no valid
 * public key, or that `alg` and `enc` do not suit), and what the session's calls throw.
 */
export function encryptJwe(
  session: Session,
  recipient: JweRecipient,
  plaintext: Uint8Array,
  options: EncryptJweOptions = {},
): Promise<string> {
  return told(() => encrypt(session, recipient, plaintext, options));
}

async function encrypt(
  session: Session,
  recipient: JweRecipient,
  plaintext: Uint8Array,
  options: EncryptJweOptions,
): Promise<string> {
  const names = ['alg', 'enc', 'header', 'apu', 'apv', 'signal', 'timeout'] as const;
  const { alg: wantedAlg, enc: wantedEnc, header = {}, apu, apv } = checkOptions(options, names);
  const extra = checkHeader(header, CELL_SETS);
  const to = readRecipient(recipient);
  const alg = wantedAlg ?? to.algorithm;
  if (to.pinned && alg !== to.algorithm) throw invalid(`the JWK is for the algorithm ${String(to.algorithm)}`);
  if (!suits(alg, to)) throw invalid(`the recipient does not suit the algorithm ${String(alg)}`);
  const enc = wantedEnc ?? (alg === 'dir' && to.secret !== null ? encryptionOf(to.secret) : 'A256GCM');
  if (!takes(alg, to.secret, enc)) throw invalid(`the key does not suit ${String(enc)}`);
  if (!MANAGEMENT[alg].agreed && (apu ?? apv) !== undefined) throw invalid('apu and apv go with ECDH-ES');
  const parties = { apu: partyOf(apu, 'apu'), apv: partyOf(apv, 'apv') };
  // The caller may change his array while the keys are being made.
  const own = bytesOf(plaintext, 'plaintext');
  try {
    const call = callOptions(options);
    const content = await contentKey(session, to, alg, enc, parties, call);
    const members = { alg, enc, ...(to.kid !== undefined && { kid: to.kid }), ...extra, ...content.members };
    const protectedPart = toBase64url(writeObject(members, 'the header', HEADER_BOUNDS));
    const aad = utf8(protectedPart);
    const { iv, ciphertext } = await seal(session, content.key, own, { ...call, aad });
    const tagAt = ciphertext.length - ENCRYPTIONS[enc].tagSize;
    const parts = [content.encryptedKey, iv, ciphertext.subarray(0, tagAt), ciphertext.subarray(tagAt)];
    return [protectedPart, ...parts.map(toBase64url)].join('.');
  } finally {
    own.fill(0);
  }
}

const seal = (
  session: Session,
  key: ContentHandle,
  plaintext: Uint8Array,
  options: CallOptions & { aad: Uint8Array },
) =>
  key.type === 'AES'
    ? session.encrypt(key, plaintext, { ...options, mechanism: 'AES-GCM' })
    : session.encrypt(key, plaintext, { ...options, mechanism: 'AES-CBC-HMAC' });

interface Recipient {
  /** Either the EC public key … */
  readonly publicKey: PublicKeyInput | null;
  readonly curve: Curve | null;
  /** … or the secret key. */
  readonly secret: ContentHandle | null;
  readonly kid: string | undefined;
  /** The default … */
  readonly algorithm: JweAlgorithm;
  /** … or the only one. */
  readonly pinned?: boolean;
}

const outside = (publicKey: PublicKeyInput, curve: Curve, kid: string | undefined): Recipient => ({
  ...{ publicKey, curve, kid, secret: null, algorithm: 'ECDH-ES' },
});

function readRecipient(recipient: JweRecipient): Recipient {
  if (isBytes(recipient) || typeof recipient === 'string') {
    const publicKey = isBytes(recipient) ? bytesOf(recipient, 'a public key') : recipient;
    return outside(publicKey, curveOfPublicKey(publicKey), undefined);
  }
  if (isJwk(recipient)) {
    const { kid, alg } = recipient;
    if (!mayBeFor('enc', recipient)) throw invalid('the JWK is not for encryption (use, key_ops)');
    // One that names an algorithm is for that alone (RFC 7517 §4.4); whether it suits the curve is seen with the others.
    const pinned = alg === undefined ? {} : { algorithm: alg as JweAlgorithm, pinned: true };
    return { ...outside(recipient, curveOfJwk(recipient), kid), ...pinned };
  }
  const key = recipient as EcKey | ContentHandle;
  if (key?.type === 'EC') {
    if (!key.usage.includes('derive')) throw invalid('an EC key that receives has the usage derive');
    return outside(key.publicKey, key.curve, key.kid);
  }
  if (!isSecret(key)) throw invalid('a recipient is an EC, AES or AES-CBC-HMAC key, a JWK, SPKI or a certificate');
  const { id: kid } = key;
  const wraps = key.type === 'AES' && key.usage.some((each) => each === 'wrap' || each === 'unwrap');
  const algorithm = wraps ? (`A${key.bits}KW` as const) : 'dir';
  return { publicKey: null, curve: null, secret: key, kid, algorithm };
}

const isSecret = (key: unknown): key is ContentHandle =>
  isObject(key) && (key['type'] === 'AES' || key['type'] === 'AES-CBC-HMAC');

/** ECDH-ES is defined over the NIST curves alone (RFC 8812 §3.1 leaves secp256k1 to signatures). */
const AGREES: readonly (Curve | null)[] = ['P-256', 'P-384'];

function suits(alg: JweAlgorithm, { curve, secret }: Pick<Recipient, 'curve' | 'secret'>): boolean {
  if (!Object.hasOwn(MANAGEMENT, alg)) return false;
  const { agreed, wrap } = MANAGEMENT[alg];
  if (agreed) return AGREES.includes(curve);
  return secret !== null && (wrap === null || (secret.type === 'AES' && secret.bits === wrap));
}

/** Is there such an encryption, and is it the key's own where that encrypts the content itself? */
const takes = (alg: JweAlgorithm, secret: ContentHandle | null, enc: JweEncryption): boolean =>
  Object.hasOwn(ENCRYPTIONS, enc) && (alg !== 'dir' || (secret !== null && isFor(enc, secret)));

interface Parties {
  readonly apu: Uint8Array | undefined;
  readonly apv: Uint8Array | undefined;
}

interface ContentKey {
  readonly key: ContentHandle;
  readonly encryptedKey: Uint8Array;
  readonly members: Readonly<Record<string, unknown>>;
}

const NOTHING = new Uint8Array(0);

/** The key of one message, and what tells the recipient about it. */
async function contentKey(
  session: Session,
  to: Recipient,
  alg: JweAlgorithm,
  enc: JweEncryption,
  parties: Parties,
  call: CallOptions,
): Promise<ContentKey> {
  const { agreed, wrap } = MANAGEMENT[alg];
  if (!agreed) {
    if (wrap === null) return { key: to.secret!, encryptedKey: NOTHING, members: {} };
    return { ...(await wrapped(session, to.secret as AesKey, enc, call)), members: {} };
  }
  const template = { type: 'EC', curve: to.curve!, usage: ['derive'], persistent: false } as const;
  const ephemeral = await session.generateKey(template, call);
  const { kty, crv, x, y } = ephemeral.jwk;
  const { apu, apv } = parties;
  const members = {
    epk: { kty, crv, x, y },
    ...(apu && { apu: toBase64url(apu) }),
    ...(apv && { apv: toBase64url(apv) }),
  };
  const how = agreement(to.publicKey!, alg, enc, parties, call);
  if (wrap === null) {
    const key = await session.deriveKey(ephemeral, how, contentTemplate(enc, ['encrypt']));
    return { key, encryptedKey: NOTHING, members };
  }
  const wrapping = await session.deriveKey(ephemeral, how, wrappingTemplate(wrap, 'wrap'));
  return { ...(await wrapped(session, wrapping, enc, call)), members };
}

async function wrapped(session: Session, wrapping: AesKey, enc: JweEncryption, call: CallOptions) {
  // Both, as whoever unwraps it will have it: one secret has one purpose.
  const template = contentTemplate(enc, ['encrypt', 'decrypt']);
  const key = await session.generateKey({ ...template, extractable: 'wrapped' }, call);
  return { key, encryptedKey: await session.wrapKey(wrapping, key, { ...call, mechanism: 'AES-KW' }) };
}

const contentTemplate = <const U extends 'encrypt' | 'decrypt'>(enc: JweEncryption, usage: readonly U[]) =>
  ({ ...ENCRYPTIONS[enc].kind, usage, persistent: false }) as const;

const wrappingTemplate = (bits: AesBits, usage: 'wrap' | 'unwrap') =>
  ({ type: 'AES', bits, usage: [usage], persistent: false }) as const;

/** RFC 7518 §4.6.2: the key is named after what it is for, `enc` itself or the `alg` that wraps; the cell adds the length. */
function agreement(
  publicKey: PublicKeyInput,
  alg: JweAlgorithm,
  enc: JweEncryption,
  { apu, apv }: Parties,
  call: CallOptions,
) {
  const algorithm = MANAGEMENT[alg].wrap === null ? enc : alg;
  const kdf = { name: 'concat', hash: 'SHA-256', algorithm, ...(apu && { apu }), ...(apv && { apv }) } as const;
  return { ...call, mechanism: 'ECDH', publicKey, kdf } as const;
}

/**
 * Decrypt a compact JWE with an EC key that derives, an AES or AES-CBC-HMAC key that decrypts (`dir`), or an AES key that unwraps
 * (AES Key Wrap). The plaintext is the caller's to wipe. Throws TOKEN_INVALID (malformed, or an algorithm that the key or the
 * options do not allow), DECRYPT_FAILED (not authentic), and what the session's calls throw.
 */
export function decryptJwe(
  session: Session,
  key: EcKey | ContentHandle,
  jwe: string,
  options: DecryptJweOptions = {},
): Promise<{ plaintext: Bytes; header: ProtectedHeader }> {
  return told(() => decrypt(session, key, jwe, options));
}

async function decrypt(
  session: Session,
  key: EcKey | ContentHandle,
  jwe: string,
  options: DecryptJweOptions,
): Promise<{ plaintext: Bytes; header: ProtectedHeader }> {
  const { algorithms, encryptions } = checkOptions(options, ['algorithms', 'encryptions', 'signal', 'timeout']);
  for (const list of [algorithms, encryptions]) {
    if (list !== undefined && !Array.isArray(list)) throw invalid('algorithms and encryptions are lists');
  }
  if (key?.type !== 'EC' && !isSecret(key)) throw invalid('a key is an EC, AES or AES-CBC-HMAC key');
  const names = ['header', 'encrypted key', 'iv', 'ciphertext', 'tag'];
  const parts = split(jwe, names, ['encrypted key', 'ciphertext']);
  const header = readHeader(parts[0]!);
  const [encryptedKey, iv, text, tag] = parts.slice(1).map((part, i) => fromBase64url(part, `the ${names[i + 1]}`));
  const { alg, enc } = header as { readonly alg: JweAlgorithm; readonly enc?: JweEncryption };
  const shape = key.type === 'EC' ? { curve: key.curve, secret: null } : { curve: null, secret: key };
  if (!suits(alg, shape) || (algorithms !== undefined && !algorithms.includes(alg))) {
    throw refused(`the key does not allow the algorithm ${JSON.stringify(alg)}`);
  }
  if (enc === undefined || !takes(alg, shape.secret, enc) || encryptions?.includes(enc) === false) {
    throw refused(`the key does not allow the encryption ${JSON.stringify(enc)}`);
  }
  const { kind, ivSize, tagSize } = ENCRYPTIONS[enc];
  const wrappedSize = MANAGEMENT[alg].wrap === null ? 0 : kind.bits / 8 + KW_OVERHEAD;
  if (encryptedKey!.length !== wrappedSize) throw refused('the encrypted key does not suit alg and enc');
  if (iv!.length !== ivSize || tag!.length !== tagSize) throw refused('the iv or tag has the wrong length');
  const call = callOptions(options);
  const content = await openContentKey(session, key, alg, enc, header, encryptedKey!, call);
  const ciphertext = Buffer.concat([text!, tag!]);
  const how = { ...call, iv: iv!, aad: utf8(parts[0]!) };
  const plaintext = await (content.type === 'AES'
    ? session.decrypt(content, ciphertext, { ...how, mechanism: 'AES-GCM' })
    : session.decrypt(content, ciphertext, { ...how, mechanism: 'AES-CBC-HMAC' }));
  return { plaintext, header };
}

async function openContentKey(
  session: Session,
  key: EcKey | ContentHandle,
  alg: JweAlgorithm,
  enc: JweEncryption,
  header: ProtectedHeader,
  encryptedKey: Uint8Array,
  call: CallOptions,
): Promise<ContentHandle> {
  const { wrap } = MANAGEMENT[alg];
  const template = contentTemplate(enc, ['decrypt']);
  if (wrap === null) return key.type === 'EC' ? openAgreed(session, key, alg, enc, header, template, call) : key;
  const outer =
    key.type === 'EC' ? await openAgreed(session, key, alg, enc, header, wrappingTemplate(wrap, 'unwrap'), call) : key;
  const narrowed = { ...template, extractable: false } as const;
  return session.unwrapKey(outer as AesKey, encryptedKey, narrowed, { ...call, mechanism: 'AES-KW' });
}

type AgreedTemplate = ReturnType<typeof wrappingTemplate> | ReturnType<typeof contentTemplate<'decrypt'>>;

async function openAgreed<T extends AgreedTemplate>(
  session: Session,
  key: EcKey,
  alg: JweAlgorithm,
  enc: JweEncryption,
  header: ProtectedHeader,
  template: T,
  call: CallOptions,
) {
  const { epk } = header;
  if (!isObject(epk) || epk['kty'] !== 'EC' || epk['crv'] !== key.curve)
    throw refused("epk is no key of the key's curve");
  const parties = { apu: readParty(header, 'apu'), apv: readParty(header, 'apv') };
  const { kty, crv, x, y } = epk as Jwk;
  try {
    return await session.deriveKey(key, agreement({ kty, crv, x, y }, alg, enc, parties, call), template);
  } catch (error) {
    // What the cell did not take is the token's point: the rest is ours.
    if (error instanceof HsmError && error.code === 'KEYCELL_INPUT_INVALID') throw refused('epk is not valid', error);
    throw error;
  }
}
