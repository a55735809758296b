/**
 * How each family of Wycheproof files is put to a session. A family is known by the schema its files name; `refusal` says
 * why a whole group is not offered here, `run` does one test and tells whether the HSM took it, and throws `Mismatch` where
 * it took it with another result than the file's.
 *
 * @typedef {import('keycell').Session} Session
 * @typedef {{ tcId: number, result: 'valid' | 'invalid' | 'acceptable', flags: string[] } & Record<string, any>} Vector
 * @typedef {{ session: Session, algorithm: string, group: Record<string, any>, vector: Vector }} Case
 *
 * @typedef {object} Family
 * @property {(algorithm: string, group: Record<string, any>) => string | undefined} refusal
 * @property {(one: Case) => Promise<boolean>} run
 * @property {(one: Case) => string | undefined} [byDesign] Why a valid test may be refused.
 */
import { HsmError } from 'keycell';

/** The HSM took a test and gave something else than the file says. */
export class Mismatch extends Error {}

/** Files that ask for what the standards leave open: do we take it? A test is taken if all its flags are. */
export const ACCEPTABLE = new Map([
  // SEC 1 §2.3.3 defines compressed points, and we read them.
  ['CompressedPublic', true],
  ['CompressedPoint', true],
  // Of a public key's encodings, those with a curve that is named, …
  ['InvalidAsn', false],
  ['InvalidPem', false],
  ['UnnamedCurve', false],
  ['UnusedParam', false],
  ['WrongOrder', false],
  ['ModifiedGenerator', false],
  ['ModifiedCofactor', false],
  ['ModifiedCurveParameter', false],
  ['NoCofactor', false],
  // SP 800-38F §5.3.1: AES-KW takes two semiblocks or more.
  ['ShortKey', false],
]);

/** … and with lengths that may be longer than they need be (X.690 §8.1.3.5): such a key is still one key. By the comment. */
export const LONGER_LENGTH = /^length of [a-z ]+ (uses long form encoding|contains a leading 0)$/;

const CURVES = new Map([
  ['secp256r1', { curve: 'P-256', size: 32 }],
  ['P-256', { curve: 'P-256', size: 32 }],
  ['secp384r1', { curve: 'P-384', size: 48 }],
  ['P-384', { curve: 'P-384', size: 48 }],
  ['secp256k1', { curve: 'secp256k1', size: 32 }],
  ['P-256K', { curve: 'secp256k1', size: 32 }],
]);
const HASHES = ['SHA-256', 'SHA-384', 'SHA-512'];
/** A GENERIC or HMAC key, in bytes. */
const KEY_MAX = 512;
const HMAC_MIN = 14;

/** @param {string} text */
const hex = (text) => new Uint8Array(Buffer.from(text, 'hex'));
/** @param {Uint8Array} bytes @param {string} expected */
function mustBe(bytes, expected) {
  if (Buffer.from(bytes).toString('hex') !== expected) throw new Mismatch('another result than the file says');
}

/** True if the call succeeds, false if the HSM refuses it; anything else is a fault. @param {() => Promise<unknown>} call */
async function taken(call) {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof HsmError) return false;
    throw error;
  }
}

const named = (value, offered, what) => (offered.includes(value) ? undefined : `${what} ${value} is not offered`);
const curveRefusal = (name) => (CURVES.has(name) ? undefined : `the curve ${name} is not offered`);

// Signatures

/** What comes of a base here: standard bytes, taken out and compared. */
const DERIVED = { type: 'GENERIC', extractable: 'plaintext' };
const OPEN = { extractable: 'plaintext', persistent: false };

/** @param {'der' | 'p1363'} format @returns {Family} */
const ecdsa = (format) => ({
  refusal: (_, group) => curveRefusal(group.publicKey.curve) ?? named(group.sha, HASHES, 'the hash'),
  run: async ({ session, group, vector }) => {
    const { curve } = CURVES.get(group.publicKey.curve);
    const template = { type: 'EC', curve, class: 'public', usage: ['verify'], persistent: false };
    const key = await session.importKey(template, hex(group.publicKeyDer));
    return session.verify(key, hex(vector.sig), hex(vector.msg), { format, hash: group.sha });
  },
});

const MACS = new Map([
  ['HMACSHA256', { hash: 'SHA-256', size: 32 }],
  ['HMACSHA384', { hash: 'SHA-384', size: 48 }],
  ['HMACSHA512', { hash: 'SHA-512', size: 64 }],
  ['AES-CMAC', { size: 16 }],
]);

/** @type {Family} */
const mac = {
  refusal: (algorithm) => named(algorithm, [...MACS.keys()], 'the MAC'),
  byDesign: ({ algorithm, group, vector }) => {
    const { hash, size } = MACS.get(algorithm);
    if (group.tagSize !== 8 * size) return 'a MAC is verified whole';
    const bytes = vector.key.length / 2;
    return hash && (bytes < HMAC_MIN || bytes > KEY_MAX) ? 'an HMAC key has 112 to 4096 bits' : undefined;
  },
  run: async ({ session, algorithm, vector }) => {
    const { hash } = MACS.get(algorithm);
    const bits = 4 * vector.key.length;
    const template = { type: hash ? 'HMAC' : 'AES', bits, usage: ['sign', 'verify'], persistent: false };
    let valid = false;
    const read = await taken(async () => {
      const key = await session.importKey(template, hex(vector.key));
      valid = await session.verify(key, hex(vector.tag), hex(vector.msg), hash && { hash });
      if (valid) mustBe(await session.sign(key, hex(vector.msg), hash && { hash }), vector.tag);
    });
    return read && valid;
  },
};

// Encryption

/** Both ways with the file's IV; only keys made with callerIv take one. */
const cipher = async ({ session, vector }, mechanism, sealed, aad) => {
  const bits = 4 * vector.key.length;
  const template = { type: 'AES', bits, usage: ['encrypt', 'decrypt'], callerIv: true, persistent: false };
  const how = { mechanism, iv: hex(vector.iv), ...(aad !== undefined && { aad: hex(aad) }) };
  return taken(async () => {
    const key = await session.importKey(template, hex(vector.key));
    mustBe(await session.decrypt(key, hex(sealed), how), vector.msg);
    mustBe((await session.encrypt(key, hex(vector.msg), how)).ciphertext, sealed);
  });
};

/** @type {Family} */
const aead = {
  refusal: (algorithm) => named(algorithm, ['AES-GCM'], 'the AEAD'),
  byDesign: ({ group }) => (group.tagSize === 128 ? undefined : 'a tag has 128 bits'),
  run: (one) => cipher(one, 'AES-GCM', one.vector.ct + one.vector.tag, one.vector.aad),
};

/** @type {Family} */
const blockMode = {
  refusal: (algorithm) => named(algorithm, ['AES-CBC-PKCS5'], 'the cipher'),
  run: (one) => cipher(one, 'AES-CBC', one.vector.ct),
};

// Wrapping

const WRAPS = new Map([
  ['AES-WRAP', 'AES-KW'],
  ['AES-KWP', 'AES-KWP'],
]);

/** @type {Family} */
const keyWrap = {
  refusal: (algorithm) => named(algorithm, [...WRAPS.keys()], 'the key wrap'),
  byDesign: ({ vector }) =>
    vector.msg.length < 2 || vector.msg.length > 2 * KEY_MAX ? 'a key has 8 to 4096 bits' : undefined,
  run: async ({ session, algorithm, vector }) => {
    const mechanism = WRAPS.get(algorithm);
    const kek = {
      type: 'AES',
      bits: 4 * vector.key.length,
      usage: ['wrap', 'unwrap'],
      unwrapTemplate: { type: 'GENERIC', usage: [], extractable: 'plaintext' },
      rewrapPolicy: 'any',
      persistent: false,
    };
    const unwrapped = (bits) => ({ type: 'GENERIC', bits, usage: [], extractable: 'plaintext' });
    // The template states the size of the key; an invalid blob must be refused whatever is stated.
    const stated = 4 * vector.msg.length;
    const sizes = vector.result === 'valid' ? [stated] : [128, Math.min(8 * KEY_MAX, Math.max(8, stated))];
    const tries = sizes.map((bits) =>
      taken(async () => {
        const key = await session.importKey(kek, hex(vector.key));
        const opened = await session.unwrapKey(key, hex(vector.ct), unwrapped(bits), { mechanism });
        mustBe(await session.exportKey(opened), vector.msg);
        mustBe(await session.wrapKey(key, opened, { mechanism }), vector.ct);
      }),
    );
    return (await Promise.all(tries)).includes(true);
  },
};

// Agreement and derivation

/** The contents of a PEM block of exactly this kind, or nothing at all. */
function pem(text, kind) {
  const match = new RegExp(`^-----BEGIN ${kind}-----\n([A-Za-z0-9+/=\n]*)-----END ${kind}-----\n?$`).exec(text);
  return new Uint8Array(Buffer.from(match?.[1] ?? '', 'base64'));
}

/** A private scalar as Java writes numbers, to the curve's size. */
const scalar = (text, size) => hex(text.padStart(2 * size, '0').slice(-2 * size));

/** @param {(vector: Vector, size: number) => { own: Uint8Array, peer: any }} read @returns {Family} */
const ecdh = (read) => ({
  refusal: (_, group) => curveRefusal(group.curve),
  run: async ({ session, group, vector }) => {
    const { curve, size } = CURVES.get(group.curve);
    return taken(async () => {
      const { own, peer } = read(vector, size);
      const template = { type: 'EC', curve, usage: ['derive'], deriveTemplate: DERIVED, ...OPEN };
      const base = await session.importKey(template, own);
      const z = await session.deriveKey(
        base,
        { mechanism: 'ECDH', publicKey: peer, kdf: { name: 'none' } },
        { type: 'GENERIC', bits: 8 * size, usage: ['derive'], extractable: 'plaintext' },
      );
      mustBe(await session.exportKey(z), vector.shared);
    });
  },
});

/** @type {Family} */
const hkdf = {
  refusal: (algorithm) => named(algorithm.replace('HKDF-', ''), HASHES, 'the hash'),
  byDesign: ({ vector }) => {
    if (vector.size > KEY_MAX) return 'a key has at most 4096 bits';
    return vector.ikm === '' ? 'a base key is not empty' : undefined;
  },
  run: async ({ session, algorithm, vector }) =>
    taken(async () => {
      const generic = { type: 'GENERIC', usage: ['derive'], extractable: 'plaintext', persistent: false };
      const base = { ...generic, deriveTemplate: DERIVED, bits: 4 * vector.ikm.length };
      const ikm = await session.importKey(base, hex(vector.ikm));
      const kdf = {
        name: 'hkdf',
        hash: algorithm.replace('HKDF-', ''),
        salt: hex(vector.salt),
        info: hex(vector.info),
      };
      const okm = await session.deriveKey(ikm, { mechanism: 'KDF', kdf }, { ...generic, bits: 8 * vector.size });
      mustBe(await session.exportKey(okm), vector.okm);
    }),
};

/** @type {ReadonlyMap<string, Family>} */
export const FAMILIES = new Map([
  ['ecdsa_verify_schema_v1.json', ecdsa('der')],
  ['ecdsa_p1363_verify_schema_v1.json', ecdsa('p1363')],
  ['mac_test_schema_v1.json', mac],
  ['aead_test_schema_v1.json', aead],
  ['ind_cpa_test_schema_v1.json', blockMode],
  ['keywrap_test_schema_v1.json', keyWrap],
  ['hkdf_test_schema_v1.json', hkdf],
  ['ecdh_test_schema_v1.json', ecdh((v, size) => ({ own: scalar(v.private, size), peer: hex(v.public) }))],
  ['ecdh_ecpoint_test_schema_v1.json', ecdh((v, size) => ({ own: scalar(v.private, size), peer: hex(v.public) }))],
  [
    'ecdh_pem_test_schema_v1.json',
    ecdh((v) => ({ own: pem(v.private, 'PRIVATE KEY'), peer: pem(v.public, 'PUBLIC KEY') })),
  ],
  [
    'ecdh_webcrypto_test_schema_v1.json',
    ecdh((v) => ({ own: new Uint8Array(Buffer.from(v.private.d, 'base64url')), peer: jwkOf(v.public) })),
  ],
]);

/** These files name secp256k1 as WebCrypto drafts did; RFC 8812 registered another name. */
const jwkOf = ({ crv, ...rest }) => ({ ...rest, crv: CURVES.get(crv)?.curve ?? crv });
