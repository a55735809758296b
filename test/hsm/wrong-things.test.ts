/**
 * Every failure is an HsmError with a code: each public method is called with each kind of wrong thing as each argument, and as
 * each member of each of its bags. It takes it, or refuses it in the way that it refuses anything; what the caller's own code
 * threw meanwhile is the cause. And the HSM serves afterwards.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AesKey,
  type EcKey,
  type HmacKey,
  type Hsm,
  HsmError,
  openEphemeralHsm,
  openHsm,
  type Session,
} from '../../dist/index.js';
import { decryptJwe, encryptJwe, jwks, signCompact, signJwt, verifyCompact, verifyJwt } from '../../dist/jose/index.js';
import { MEMBERS } from '../../src/hsm/members.ts';
import { bytes, nodeWrap, stored } from '../operations/support.ts';

// biome-ignore lint/suspicious/noExplicitAny: callers of JavaScript
type Loose = any;

const it = stored();
const KW = { mechanism: 'AES-KW' } as const;
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], persistent: false } as const;
let session: Session;
let aes: AesKey;
/** What wrong keys name: one of the calls may destroy it. */
let decoy: AesKey;
let kek: AesKey;
let pair: EcKey;
let agree: EcKey;
let mac: HmacKey;
let base: HmacKey;
let token: string;
let jwt: string;
let jwe: string;
let envelope: Uint8Array;
let fresh: Hsm;

beforeAll(async () => {
  session = it.alice;
  aes = await session.generateKey({
    ...AES,
    extractable: 'plaintext',
    destroyable: true,
    label: 'aes',
    persistent: true,
  });
  decoy = await session.generateKey({ ...AES, persistent: true });
  const wrapping = { type: 'AES', bits: 256, usage: ['wrap', 'unwrap'], rewrapPolicy: 'any' } as const;
  kek = await session.importKey(wrapping, bytes(32));
  pair = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  agree = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
  mac = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
  base = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['derive'] });
  envelope = await session.encrypt(aes, bytes(3));
  token = await signCompact(session, pair, bytes(3));
  jwt = await signJwt(session, pair, { sub: 'x' });
  jwe = await encryptJwe(session, agree, bytes(3));
  fresh = await openHsm({ path: join(it.folder, 'fresh'), workers: 1, create: true });
});
afterAll(() => fresh?.close());

/** What the caller's own code throws. */
const boom = new TypeError('of the caller');
const throwing = (): never => {
  throw boom;
};
const TRAPS: ProxyHandler<object> = {
  get: throwing,
  has: throwing,
  ownKeys: throwing,
  getPrototypeOf: throwing,
  getOwnPropertyDescriptor: throwing,
  apply: throwing,
  construct: throwing,
};
function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}
function detached(): Uint8Array {
  const view = bytes(9);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}
function cyclic(): object {
  const object: Record<string, unknown> = { name: 'x' };
  object['self'] = object;
  return object;
}
const getters = (...names: string[]): object =>
  Object.defineProperties(
    {},
    Object.fromEntries(names.map((name) => [name, { get: throwing, enumerable: true, configurable: true }])),
  );
async function* failing(): AsyncGenerator<Uint8Array> {
  yield bytes(3);
  throw boom;
}

/** Made anew for each call: a call may wipe or read to the end what it is given. */
const WRONG: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  'a number': () => 5,
  zero: () => 0,
  'less than nothing': () => -1,
  'a fraction': () => 0.5,
  'a huge number': () => 2 ** 53,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  'a bigint': () => 5n,
  'a symbol': () => Symbol('wrong'),
  'a string': () => 'wrong',
  'an empty string': () => '',
  'half a character': () => '\ud83d',
  __proto__: () => '__proto__',
  'an object': () => ({}),
  'an object without a prototype': () => Object.create(null),
  'an array': () => [],
  'an array of arrays': () => [[[]]],
  'a sparse array': () => new Array(3),
  'a function': () => () => 5,
  'a function that throws': () => throwing,
  'an async function that throws': () => async () => throwing(),
  'a class': () => class Wrong {},
  'an instance': () => new (class Wrong {})(),
  'a cycle': cyclic,
  'a Map': () => new Map(),
  'a promise': () => Promise.resolve(5),
  'an invalid date': () => new Date(Number.NaN),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'an empty Uint8Array': () => new Uint8Array(0),
  'other elements': () => new Uint16Array(3),
  'a detached Uint8Array': detached,
  'a proxy of a Uint8Array': () => new Proxy(bytes(3), {}),
  'a proxy that throws': () => new Proxy({}, TRAPS),
  'a proxy of an array that throws': () => new Proxy([], TRAPS),
  'a proxy of a function that throws': () => new Proxy(() => {}, TRAPS),
  'a proxy of a key that throws': () => new Proxy({ ...decoy }, { ...TRAPS, has: Reflect.has }),
  'a revoked proxy': () => revoked({}),
  'a revoked proxy of an array': () => revoked([]),
  'a revoked proxy of a function': () => revoked(() => {}),
  'getters that throw': () =>
    getters('id', 'type', 'length', 'name', 'aborted', 'toJSON', 'then', 'kty', 'issuer', 'href'),
  'a key whose id throws': () => Object.assign(getters('id'), { type: 'AES', persistent: true }),
  'a key whose type throws': () => Object.assign(getters('type'), { id: decoy.id, persistent: true }),
  'an iterable that fails': failing,
  'an iterable that does not begin': () => ({ [Symbol.asyncIterator]: throwing }),
  'an iterable of wrong things': () => ({ [Symbol.asyncIterator]: () => ({ next: () => 5 }) }),
  'an iterator that throws': () => ({ [Symbol.asyncIterator]: () => ({ next: throwing, return: throwing }) }),
  'a signal that throws': () => ({ aborted: false, addEventListener: throwing, removeEventListener: throwing }),
  'a signal whose state throws': () =>
    Object.assign(getters('aborted'), { addEventListener: () => {}, removeEventListener: () => {} }),
  'an object whose valueOf throws': () => ({ valueOf: throwing, toString: throwing, [Symbol.toPrimitive]: throwing }),
};

/** How a method is called rightly, and which bag each argument is; `.` leads to the bags in it. */
interface Way {
  readonly call: (...args: Loose[]) => unknown;
  readonly args: () => unknown[];
  readonly bags?: Readonly<Record<string, Iterable<string>>>;
}

const SIGN = MEMBERS.sign;
const KDF = { name: 'hkdf', hash: 'SHA-256', info: bytes(1) } as const;
const EC_PUBLIC = { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'], persistent: false } as const;
const TEMPLATE = { '0': MEMBERS.template, '0.unwrapTemplate': MEMBERS.pattern, '0.rewrapPolicy': MEMBERS.rewrapPolicy };
const on =
  (name: keyof Session) =>
  (...args: Loose[]) =>
    (session[name] as Loose)(...args);
const asAdmin =
  (name: keyof Session) =>
  (...args: Loose[]) =>
    (it.admin[name] as Loose)(...args);
const read = async (stream: ReadableStream<Uint8Array>) => new Response(stream).arrayBuffer();
let users = 0;

const WAYS: Record<string, Way> = {
  generateKey: { call: on('generateKey'), args: () => [{ ...AES }, {}], bags: { ...TEMPLATE, '1': MEMBERS.call } },
  ensureKey: {
    call: on('ensureKey'),
    args: () => [{ ...AES, label: 'ensured', persistent: true }, {}],
    bags: { ...TEMPLATE, '1': MEMBERS.call },
  },
  importKey: {
    call: on('importKey'),
    args: () => [{ ...AES }, bytes(32), {}],
    bags: { ...TEMPLATE, '2': MEMBERS.importKey },
  },
  'importKey of a JWK': {
    call: on('importKey'),
    args: () => [{ ...EC_PUBLIC }, { ...pair.jwk }, {}],
    bags: { '0': MEMBERS.template, '1': ['kty', 'crv', 'x', 'y', 'kid'], '2': MEMBERS.importKey },
  },
  exportKey: { call: on('exportKey'), args: () => [aes, {}], bags: { '1': MEMBERS.call } },
  getKey: { call: on('getKey'), args: () => [{ label: 'aes' }, {}], bags: { '0': MEMBERS.filter, '1': MEMBERS.call } },
  findKeys: {
    call: async (...args: Loose[]) => {
      for await (const _ of session.findKeys(...args));
    },
    args: () => [{ label: 'aes' }, {}],
    bags: { '0': MEMBERS.filter, '1': MEMBERS.call },
  },
  setAttributes: {
    call: on('setAttributes'),
    args: () => [aes, {}, {}],
    bags: {
      '1': ['label', 'extractable', 'destroyable', 'wrapWithTrusted', 'trusted', 'acceptImported'],
      '2': MEMBERS.call,
    },
  },
  sign: {
    call: on('sign'),
    args: () => [pair, bytes(3), {}],
    bags: { '0': ['id', 'type', 'curve', 'persistent'], '2': SIGN },
  },
  'sign by HMAC': { call: on('sign'), args: () => [mac, bytes(3), {}], bags: { '2': SIGN } },
  'sign pieces': {
    call: on('sign'),
    args: () => [pair, pieces(), {}],
    bags: { '0': ['id', 'type', 'curve', 'persistent'], '2': SIGN },
  },
  signMany: { call: on('signMany'), args: () => [mac, [bytes(3)], {}], bags: { '1': ['0'], '2': SIGN } },
  verify: { call: on('verify'), args: () => [pair, bytes(64), bytes(3), {}], bags: { '3': SIGN } },
  'verify pieces': { call: on('verify'), args: () => [mac, bytes(32), pieces(), {}], bags: { '3': SIGN } },
  encrypt: {
    call: on('encrypt'),
    args: () => [aes, bytes(3), {}],
    bags: { '0': ['id', 'type'], '2': MEMBERS.envelope },
  },
  'encrypt by GCM': {
    call: on('encrypt'),
    args: () => [aes, bytes(3), { mechanism: 'AES-GCM' }],
    bags: { '2': MEMBERS.cipher },
  },
  decrypt: { call: on('decrypt'), args: () => [aes, envelope, {}], bags: { '2': MEMBERS.envelope } },
  reencrypt: { call: on('reencrypt'), args: () => [aes, envelope, { to: aes }], bags: { '2': MEMBERS.reencrypt } },
  encryptStream: {
    call: (...args: Loose[]) =>
      read(ReadableStream.from([bytes(3)]).pipeThrough((session.encryptStream as Loose)(...args))),
    args: () => [aes, {}],
    bags: { '1': MEMBERS.stream },
  },
  'a chunk of a stream': {
    call: (chunk: Loose) => {
      const { readable, writable } = session.encryptStream(aes);
      const writer = writable.getWriter();
      writer.closed.catch(() => {});
      return Promise.all([writer.write(chunk), writer.close(), read(readable)]);
    },
    args: () => [bytes(3)],
  },
  decryptStream: {
    call: (...args: Loose[]) =>
      read(ReadableStream.from([bytes(3)]).pipeThrough((session.decryptStream as Loose)(...args))),
    args: () => [aes, {}],
    bags: { '1': MEMBERS.stream },
  },
  generateDataKey: {
    call: on('generateDataKey'),
    args: () => [aes, { bytes: 32 }],
    bags: { '1': MEMBERS.generateDataKey },
  },
  wrapKey: { call: on('wrapKey'), args: () => [kek, aes, { ...KW }], bags: { '1': ['id', 'type'], '2': MEMBERS.wrap } },
  unwrapKey: {
    call: on('unwrapKey'),
    args: () => [kek, nodeWrap('AES-KW', bytes(32), bytes(32)), { persistent: false }, { ...KW }],
    bags: { '2': MEMBERS.template, '2.unwrapTemplate': MEMBERS.pattern, '3': MEMBERS.wrap },
  },
  rewrapKeys: {
    call: on('rewrapKeys'),
    args: () => [
      [nodeWrap('AES-KW', bytes(32), bytes(32))],
      { from: kek, ...KW, to: { jwk: { ...agree.jwk } }, as: 'JWE', header: { typ: 'x' } },
    ],
    bags: { '0': ['0'], '1': MEMBERS.rewrapToJwe, '1.to': MEMBERS.jwkRecipient, '1.header': ['typ'] },
  },
  'rewrapKeys to a key': {
    call: on('rewrapKeys'),
    args: () => [[nodeWrap('AES-KW', bytes(32), bytes(32))], { from: kek, ...KW, to: kek, as: 'AES-KW' }],
    bags: { '1': MEMBERS.rewrapToKey },
  },
  'deriveKey by ECDH': {
    call: on('deriveKey'),
    args: () => [
      agree,
      { mechanism: 'ECDH', publicKey: agree.publicKey, kdf: { name: 'concat', hash: 'SHA-256', algorithm: 'A256GCM' } },
      { ...AES },
    ],
    bags: { '0': ['id', 'type', 'curve'], '1': MEMBERS.agree, '1.kdf': MEMBERS.kdf, '2': MEMBERS.template },
  },
  deriveKey: {
    call: on('deriveKey'),
    args: () => [base, { mechanism: 'KDF', kdf: { name: 'bound', hash: 'SHA-256', label: bytes(1) } }, { ...AES }],
    bags: { '1': MEMBERS.derive, '1.kdf': MEMBERS.kdf, '2': MEMBERS.template },
  },
  'deriveKey by HKDF': {
    call: on('deriveKey'),
    args: () => [base, { mechanism: 'KDF', kdf: { ...KDF } }, { ...AES }],
    bags: { '1.kdf': MEMBERS.kdf },
  },
  random: { call: on('random'), args: () => [8, {}], bags: { '1': MEMBERS.call } },
  renew: { call: on('renew'), args: () => [{}], bags: { '0': MEMBERS.call } },
  createUser: {
    call: asAdmin('createUser'),
    args: () => [{ name: `user ${users++}`, role: 'no role', password: 'x' }, {}],
    bags: { '0': MEMBERS.createUser, '1': MEMBERS.call },
  },
  removeUser: { call: asAdmin('removeUser'), args: () => ['nobody', {}], bags: { '1': MEMBERS.call } },
  setPassword: {
    call: asAdmin('setPassword'),
    args: () => ['nobody', 'x', {}],
    bags: { '2': MEMBERS.setPassword },
  },
  lockUser: { call: asAdmin('lockUser'), args: () => ['nobody', {}], bags: { '1': MEMBERS.call } },
  unlockUser: { call: asAdmin('unlockUser'), args: () => ['nobody', {}], bags: { '1': MEMBERS.call } },
  listUsers: { call: asAdmin('listUsers'), args: () => [{}], bags: { '0': MEMBERS.call } },
  destroyKey: {
    // A key that is gone is one more wrong thing; another for each call would be thousands.
    call: on('destroyKey'),
    args: () => [{ ...aes, id: 'ab'.repeat(16) }, {}],
    bags: { '0': ['id', 'type', 'persistent'], '1': MEMBERS.call },
  },

  // The HSM's own
  initialize: {
    call: (options: Loose) => fresh.initialize(options),
    // Refused last of all: what stands before it is read first.
    args: () => [{ passphrase: 'p', admin: { name: 'a', password: new Uint8Array(0) }, scryptLog2N: 14 }],
    bags: { '0': [...MEMBERS.initialize].filter((name) => name !== 'admin'), '0.admin': ['name'] },
  },
  unseal: {
    call: (...args: Loose[]) => (it.hsm.unseal as Loose)(...args),
    args: () => ['', {}],
    bags: { '1': MEMBERS.unseal },
  },
  login: {
    call: async (options: Loose) => (await it.hsm.login(options)).close(),
    args: () => [{ user: 'nobody', password: '' }],
    bags: { '0': MEMBERS.login },
  },
  check: { call: (options: Loose) => it.hsm.check(options), args: () => [{}], bags: { '0': MEMBERS.check } },
  on: { call: (...args: Loose[]) => (it.hsm.on as Loose)(...args), args: () => ['never', () => {}] },
  once: { call: (...args: Loose[]) => (it.hsm.once as Loose)(...args), args: () => ['never', () => {}] },
  off: { call: (...args: Loose[]) => (it.hsm.off as Loose)(...args), args: () => ['never', () => {}] },
  openHsm: {
    // Of a folder that is not there, and an HSM that is nowhere.
    call: async (options: Loose) => (await openHsm(options)).close(),
    args: () => [{ path: join(it.folder, 'nowhere'), create: false, id: 'ab'.repeat(16), workers: 1 }],
    bags: { '0': [...MEMBERS.openHsm].filter((name) => name !== 'path') },
  },
  openEphemeralHsm: {
    // Refused last of all.
    call: async (options: Loose) => (await openEphemeralHsm(options)).hsm.close(),
    args: () => [{ workers: 1, quotas: { storedKeys: 0, sessions: 5 }, lockout: {} }],
    bags: {
      '0': ['workers', 'queueLimit', 'lockout', 'assets'],
      '0.quotas': ['sessions', 'waitingRequests'],
      '0.lockout': MEMBERS.lockout,
    },
  },

  // JOSE
  signCompact: {
    call: (...args: Loose[]) => (signCompact as Loose)(session, ...args),
    args: () => [pair, bytes(3), { header: { typ: 'x' } }],
    bags: { '2': ['header', ...MEMBERS.call], '2.header': ['alg', 'kid', 'typ', 'cty', 'other'] },
  },
  verifyCompact: {
    call: (...args: Loose[]) => (verifyCompact as Loose)(session, ...args),
    args: () => [[pair], token, {}],
    bags: { '0': ['0'], '2': ['algorithms', 'typ', ...MEMBERS.call] },
  },
  'verifyCompact by a JWK set': {
    call: (...args: Loose[]) => (verifyCompact as Loose)(session, ...args),
    args: () => [{ keys: [{ ...pair.jwk }] }, token],
    bags: { '0': ['keys'], '0.keys': ['0'], '0.keys.0': ['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use', 'key_ops'] },
  },
  signJwt: {
    call: (...args: Loose[]) => (signJwt as Loose)(session, ...args),
    args: () => [pair, { sub: 'x' }, {}],
    bags: { '1': ['iss', 'sub', 'aud', 'exp', 'other'], '2': ['expiresIn', 'now', 'header', ...MEMBERS.call] },
  },
  verifyJwt: {
    call: (...args: Loose[]) => (verifyJwt as Loose)(session, ...args),
    args: () => [pair, jwt, {}],
    bags: {
      '2': [
        ...['issuer', 'audience', 'subject', 'required', 'clockTolerance', 'maxAge', 'now', 'algorithms', 'typ'],
        ...MEMBERS.call,
      ],
    },
  },
  encryptJwe: {
    call: (...args: Loose[]) => (encryptJwe as Loose)(session, ...args),
    args: () => [agree, bytes(3), {}],
    bags: { '2': ['alg', 'enc', 'header', 'apu', 'apv', ...MEMBERS.call] },
  },
  'encryptJwe for a JWK': {
    call: (...args: Loose[]) => (encryptJwe as Loose)(session, ...args),
    args: () => [{ ...agree.jwk }, bytes(3)],
    bags: { '0': ['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use', 'key_ops'] },
  },
  decryptJwe: {
    call: (...args: Loose[]) => (decryptJwe as Loose)(session, ...args),
    args: () => [agree, jwe, {}],
    bags: { '2': ['algorithms', 'encryptions', ...MEMBERS.call] },
  },
  jwks: {
    call: (...args: Loose[]) => (jwks as Loose)(session, ...args),
    args: () => [{}, {}],
    bags: { '0': MEMBERS.filter, '1': MEMBERS.call },
  },
};

async function* pieces() {
  yield bytes(3);
}

/** Of these nothing is expected but that they throw at once. */
const AT_ONCE = new Set(['on', 'once', 'off', 'encryptStream', 'decryptStream', 'a chunk of a stream']);
const PATIENCE_MS = 20_000;

/** What is wrong with how the call ended; undefined where nothing is. */
async function faultOf(name: string, call: () => unknown, cause?: Error): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, 'it did not end');
  });
  try {
    const called = (async () => {
      let result: unknown;
      try {
        result = call();
      } catch (error) {
        if (!AT_ONCE.has(name)) return `it threw at once: ${String(error)}`;
        throw error;
      }
      await result;
      return undefined;
    })();
    return await Promise.race([called, late]);
  } catch (error) {
    if (error === boom) return 'it handed on what the caller threw, without a code';
    if (!(error instanceof HsmError)) {
      const { stack } = error as Error;
      return `no HsmError: ${typeof stack === 'string' ? stack.split('\n').slice(0, 3).join(' ') : String(error)}`;
    }
    // Some other member may have been at fault before: then nobody called it.
    const lost =
      cause !== undefined && / could not be read$/.test(error.message.split(' (')[0]!) && error.cause !== cause;
    if (lost) return 'the cause is missing';
    return error.code.startsWith('KEYCELL_') && error.code !== 'KEYCELL_TAMPERED' ? undefined : `code ${error.code}`;
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments with another thing at the end of the path. */
function replaced(args: unknown[], path: readonly string[], value: () => unknown): unknown[] {
  const at = (level: Loose, [name, ...rest]: readonly string[]): Loose => {
    const next = rest.length === 0 ? value() : at(level?.[name!] ?? {}, rest);
    if (Array.isArray(level)) return Object.assign([...level], { [name!]: next });
    return Object.defineProperty({ ...level }, name!, {
      value: next,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  };
  return at(args, path);
}

const getterAt = (args: unknown[], path: readonly string[]): unknown[] => {
  const out = replaced(args, path, () => undefined);
  const owner = path.slice(0, -1).reduce((level: Loose, name) => level[name], out);
  Object.defineProperty(owner, path.at(-1)!, { get: throwing, enumerable: true, configurable: true });
  return out;
};

describe.each(Object.entries(WAYS))('%s', (name, { call, args, bags = {} }) => {
  const members = Object.entries(bags).flatMap(([at, names]) => [...names].map((each) => `${at}.${each}`));

  test('with each wrong thing as each argument, and as each member', async () => {
    const faults: string[] = [];
    for (const path of [...args().map((_, i) => String(i)), ...members]) {
      for (const [kind, wrong] of Object.entries(WRONG)) {
        const given = replaced(args(), path.split('.'), wrong);
        const fault = await faultOf(name, () => call(...given));
        if (fault !== undefined) faults.push(`${path} = ${kind}: ${fault}`);
      }
      if (!path.includes('.')) continue;
      const given = getterAt(args(), path.split('.'));
      const fault = await faultOf(name, () => call(...given), boom);
      if (fault !== undefined) faults.push(`${path}, a getter: ${fault}`);
    }
    expect(faults).toEqual([]);
  }, 120_000);
});

test('the HSM serves afterwards', async () => {
  expect(await session.decrypt(aes, await session.encrypt(aes, bytes(3)))).toEqual(bytes(3));
  expect(await session.verify(pair, await session.sign(pair, bytes(3)), bytes(3))).toBe(true);
  expect(it.hsm.state).toBe('ready');
  expect(it.hsm.stats()).toMatchObject({ queued: 0, inFlight: 0, cellRestarts: 0, wardenRestarts: 0 });
  await it.hsm.check();
});
