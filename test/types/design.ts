/**
 * The programs of the design, as types: checked by the compiler, never run.
 * What stands here is a contract; a change that breaks it breaks our users.
 */
import type {
  AesCbcHmacKey,
  AesKey,
  Bytes,
  EcKey,
  HmacKey,
  Hsm,
  HsmErrorCode,
  HsmState,
  IssuerInfo,
  IssuerPolicy,
  Kdf,
  Key,
  KeyOf,
  KeyPattern,
  KeyTemplate,
  OpenEphemeralHsm,
  OpenHsm,
  PartialTemplate,
  PatternInfo,
  PublicJwk,
  RewrapPolicy,
  Session,
} from '../../src/index.ts';
import { HsmError } from '../../src/index.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

declare const openHsm: OpenHsm;
declare const openEphemeralHsm: OpenEphemeralHsm;
declare const bytes: Uint8Array;
declare const jwk: PublicJwk;
declare const signal: AbortSignal;

export async function lifecycle(): Promise<void> {
  const hsm = await openHsm({ path: './hsm', create: true, workers: 1, unseal: async () => bytes, lockTimeout: 100 });
  same<typeof hsm, Hsm>(true);
  same<typeof hsm.state, HsmState>(true);
  await hsm.initialize({ passphrase: bytes, admin: { name: 'officer', password: 'a string, at a cost' } });
  await hsm.unseal(() => bytes);
  const admin = await hsm.login({ user: 'officer', password: bytes });
  await admin.createUser({ name: 'licences', role: 'crypto-user', password: bytes });
  const session = await hsm.login({ user: 'licences', password: bytes });
  same<typeof session.expiresAt, Date>(true);
  await session.renew();
  await session.close();
  await hsm.seal();
  await hsm.close({ timeout: 1000 });
  hsm.stats();
  hsm.on('state', (state) => same<typeof state, HsmState>(true));
  hsm.on('cell-restart', ({ cell, error }) => [cell satisfies number, error satisfies Error]);
  // @ts-expect-error: no such event
  hsm.on('nonsense', () => {});
  // @ts-expect-error: roles are a literal union
  await admin.createUser({ name: 'x', role: 'root', password: bytes });
}

export async function keys(session: Session): Promise<void> {
  const key = await session.ensureKey({
    type: 'EC',
    curve: 'P-256',
    label: 'licence-signing',
    usage: ['sign', 'verify'],
  });
  same<typeof key, EcKey>(true);
  for (const curve of ['P-384', 'secp256k1'] as const) {
    const other = await session.generateKey({ type: 'EC', curve, usage: ['sign', 'derive'] });
    same<typeof other, EcKey>(true);
  }
  // @ts-expect-error: no such curve
  await session.generateKey({ type: 'EC', curve: 'P-521', usage: ['sign'] });
  same<typeof key.publicKey, Bytes>(true);
  same<typeof key.jwk, PublicJwk>(true);
  [key.kid satisfies string, key.version satisfies number];
  const aes = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], extractable: false });
  same<typeof aes, AesKey>(true);
  // @ts-expect-error: an AES key does not derive
  await session.generateKey({ type: 'AES', bits: 256, usage: ['derive'] });
  // @ts-expect-error: no such size
  await session.generateKey({ type: 'AES', bits: 512, usage: [] });
  // @ts-expect-error: ensureKey goes by label
  await session.ensureKey({ type: 'AES', bits: 256, usage: [] });
  // @ts-expect-error: AES keys have no public half
  aes.publicKey;
  await session.importKey({ type: 'AES', bits: 128, usage: ['encrypt'] }, bytes, { wipe: true });
  const issuer = await session.importKey({ type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] }, jwk);
  const kek = await session.generateKey({
    type: 'AES',
    bits: 256,
    usage: ['wrap', 'unwrap'],
    unwrapTemplate: { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
    rewrapPolicy: { issuer },
  });
  same<typeof kek, AesKey>(true);
  // Templates nest, and 'any' takes the place of a key's own, not of one below it.
  await session.generateKey({
    type: 'AES',
    bits: 256,
    usage: ['wrap', 'unwrap'],
    unwrapTemplate: {
      bits: 256,
      usage: ['wrap', 'unwrap'],
      extractable: false,
      unwrapTemplate: { type: 'EC', curve: 'P-384', usage: ['sign'], notAfter: new Date(1) },
      rewrapPolicy: { issuer: { id: issuer.id }, proofMaxAge: 60, blobs: 'required' },
    },
  });
  await session.generateKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: 'any', dualUse: true });
  // @ts-expect-error: 'any' inside of a template
  await session.generateKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { unwrapTemplate: 'any' } });
  // @ts-expect-error: no such member
  await session.generateKey({ type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate: { usages: [] } });
  for (const type of ['HMAC', 'GENERIC'] as const) {
    const base = await session.generateKey({ type, bits: 256, usage: ['derive'], deriveTemplate: { bits: 128 } });
    base.deriveTemplate satisfies PatternInfo | 'any' | undefined;
  }
  if (typeof kek.unwrapTemplate === 'object') {
    same<typeof kek.unwrapTemplate, PatternInfo>(true);
    kek.unwrapTemplate.unwrapTemplate satisfies PatternInfo | 'any' | undefined;
    // @ts-expect-error: a handle is frozen, and what it shows is
    kek.unwrapTemplate.bits = 128;
  }
  kek.issuer satisfies IssuerInfo | undefined;
  kek.origin satisfies 'generated' | 'imported' | 'derived' | 'unwrapped';
  await session.setAttributes(kek, { trusted: true, acceptImported: true });
  const policy: IssuerPolicy = { issuer };
  policy satisfies RewrapPolicy;
  const pattern: KeyPattern = {};
  pattern satisfies KeyPattern;
  same<Awaited<ReturnType<Session['exportKey']>>, Bytes>(true);
  const found = await session.getKey({ label: 'licence-signing', type: 'EC' });
  same<typeof found, EcKey>(true);
  found.curve satisfies string;
  same<Awaited<ReturnType<typeof session.getKey<{ id: string }>>>, Key>(true);
  for await (const each of session.findKeys({ type: 'AES' })) {
    same<typeof each, AesKey>(true);
    await session.destroyKey(each);
  }
  for await (const each of session.findKeys()) each satisfies Key;
  for await (const each of session.findKeys({ curve: 'P-256' })) each.publicKey satisfies Bytes;
  await session.setAttributes(aes, { trusted: true });
  const drawn = await session.random(32);
  same<typeof drawn, Bytes>(true);
}

export async function work(session: Session, key: EcKey, aes: AesKey, kek: AesKey, cek: AesKey): Promise<void> {
  const signature = await session.sign(key, bytes, { format: 'der', hash: 'SHA-256', prehashed: true, signal });
  same<typeof signature, Bytes>(true);
  same<Awaited<ReturnType<typeof session.signMany>>, Bytes[]>(true);
  const pieces = (async function* () {
    yield bytes;
  })();
  await session.sign(key, pieces);
  const valid = await session.verify(key, signature, bytes, { hash: 'SHA-512', nonce: 'rfc6979', format: 'p1363' });
  // @ts-expect-error: no such hash
  await session.sign(key, bytes, { hash: 'SHA-1' });
  // AES keys sign by CMAC: the key says so, not an option.
  const mac = await session.sign(aes, bytes);
  same<typeof mac, Bytes>(true);
  same<typeof valid, boolean>(true);
  const envelope = await session.encrypt(aes, bytes, { aad: bytes });
  same<typeof envelope, Bytes>(true);
  await session.decrypt(aes, envelope, { aad: bytes });
  const { iv, ciphertext } = await session.encrypt(aes, bytes, { mechanism: 'AES-GCM', aad: bytes });
  same<typeof iv, Bytes>(true);
  await session.decrypt(aes, ciphertext, { mechanism: 'AES-GCM', iv, aad: bytes });
  // @ts-expect-error: raw GCM is opened with its IV
  await session.decrypt(aes, ciphertext, { mechanism: 'AES-GCM' });
  const ctr = await session.encrypt(aes, bytes, { mechanism: 'AES-CTR' });
  same<typeof ctr, { iv: Bytes; ciphertext: Bytes }>(true);
  await session.decrypt(aes, ctr.ciphertext, { mechanism: 'AES-CTR', iv: ctr.iv });
  // @ts-expect-error: CBC is opened with its IV
  await session.decrypt(aes, ciphertext, { mechanism: 'AES-CBC' });
  const composite = await session.generateKey({ type: 'AES-CBC-HMAC', bits: 512, usage: ['encrypt', 'decrypt'] });
  same<typeof composite, AesCbcHmacKey>(true);
  const sealed = await session.encrypt(composite, bytes, { mechanism: 'AES-CBC-HMAC', aad: bytes });
  same<typeof sealed, { iv: Bytes; ciphertext: Bytes }>(true);
  await session.decrypt(composite, sealed.ciphertext, { mechanism: 'AES-CBC-HMAC', iv: sealed.iv, aad: bytes });
  // @ts-expect-error: the cell draws its IV
  await session.encrypt(composite, bytes, { mechanism: 'AES-CBC-HMAC', iv: bytes });
  // @ts-expect-error: it makes no envelopes
  await session.encrypt(composite, bytes);
  // @ts-expect-error: an AES key is none of them
  await session.encrypt(aes, bytes, { mechanism: 'AES-CBC-HMAC' });
  // @ts-expect-error: and has no other mechanism
  await session.encrypt(composite, bytes, { mechanism: 'AES-GCM' });
  const again = await session.reencrypt(aes, envelope, { to: aes, aad: bytes });
  same<typeof again, Bytes>(true);
  session.encryptStream(aes, { aad: bytes }) satisfies TransformStream<Uint8Array, Bytes>;
  session.decryptStream(aes, { aad: bytes });
  const dataKey = await session.generateDataKey(aes, { bytes: 32 });
  same<typeof dataKey, { plaintext: Bytes; ciphertext: Bytes }>(true);

  const blob = await session.wrapKey(kek, cek, { mechanism: 'AES-KW' });
  const cek2 = await session.unwrapKey(
    kek,
    blob,
    { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
    { mechanism: 'AES-KW' },
  );
  same<typeof cek2, AesKey>(true);
  // What is left out comes from the template; a template without a type may give any key.
  const filled = await session.unwrapKey(kek, blob, { label: 'title', persistent: true }, { mechanism: 'AES-KW' });
  same<typeof filled, Key>(true);
  const partial: PartialTemplate = { type: 'HMAC' };
  same<KeyOf<{ type: 'HMAC' }>, HmacKey>(true);
  same<KeyOf<KeyTemplate>, Key>(true);
  await session.unwrapKey(kek, blob, partial, { mechanism: 'AES-KW' });
  // @ts-expect-error: no such usage for the type
  await session.unwrapKey(kek, blob, { type: 'HMAC', usage: ['wrap'] }, { mechanism: 'AES-KW' });
  const jwes = await session.rewrapKeys([blob], {
    from: kek,
    mechanism: 'AES-KW',
    to: { jwk, proof: 'a.b.c' },
    as: 'JWE',
    header: [{ kid: '1' }],
  });
  same<typeof jwes, string[]>(true);
  const blobs = await session.rewrapKeys([blob], { from: kek, mechanism: 'AES-KW', to: kek, as: 'AES-KW' });
  same<typeof blobs, Bytes[]>(true);
  const derived = await session.deriveKey(
    key,
    { mechanism: 'ECDH', publicKey: bytes, kdf: { name: 'concat', hash: 'SHA-256', algorithm: 'A256GCM' } },
    { type: 'AES', bits: 256, usage: ['wrap'] },
  );
  same<typeof derived, AesKey>(true);
  const within = await session.deriveKey(
    key,
    { mechanism: 'ECDH', publicKey: jwk, kdf: { name: 'hkdf', hash: 'SHA-256' } },
    {},
  );
  same<typeof within, Key>(true);
  const bound: Kdf = { name: 'bound', hash: 'SHA-256', label: bytes, context: bytes };
  bound satisfies Kdf;
  await session.wrapKey(kek, cek, { mechanism: 'AES-GCM', aad: bytes });
  // @ts-expect-error: AES-KW has no associated data
  await session.wrapKey(kek, cek, { mechanism: 'AES-KW', aad: bytes });
  for (const kdf of [
    { name: 'hkdf', hash: 'SHA-384', salt: bytes, info: bytes },
    { name: 'hkdf', hash: 'SHA-256' },
    { name: 'sp800-108', hash: 'SHA-512', label: bytes, context: bytes },
    { name: 'none' },
  ] as const) {
    await session.deriveKey(key, { mechanism: 'ECDH', publicKey: jwk, kdf }, { type: 'GENERIC', bits: 384, usage: [] });
  }
  // @ts-expect-error: a KDF names its hash
  const nameless: Kdf = { name: 'hkdf' };
  nameless satisfies Kdf;
  // @ts-expect-error: only AES keys wrap
  await session.wrapKey(key, cek, { mechanism: 'AES-KW' });
}

export async function oneLine(): Promise<void> {
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  await session.random(8, { timeout: 100 });
  await hsm[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
}

export function failure(error: unknown): string {
  if (!(error instanceof HsmError)) throw error;
  same<typeof error.code, HsmErrorCode>(true);
  [error.retryable satisfies boolean, error.outcome satisfies 'not-executed' | 'unknown', error.cause];
  switch (error.code) {
    case 'KEYCELL_BUSY':
      return 'later';
    // @ts-expect-error: no such code
    case 'KEYCELL_NONSENSE':
      return '';
    default:
      return error.message;
  }
}
