/** EC private keys in every form that somebody writes: what is unambiguous is the key that node reads, the rest is refused. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HsmError } from '../../dist/index.js';
import { needs } from '../support/tools.ts';
import { altered, CURVES, type NodePair, nodePair, nodePrivate, type TestCurve } from './curves.ts';
import { ATTRIBUTES, bits, element, oid, pem, pkcs8, sec1, type Width } from './der.ts';
import { atOddOffset, bytes, code, ephemeral, nodeWrap, refusal } from './support.ts';

const it = ephemeral();
const WIDTHS: readonly Width[] = [0, 1, 2, 3, 4];
const text = (value: string) => Buffer.from(value);

const templateOf = ({ curve }: TestCurve) =>
  ({ type: 'EC', curve, usage: ['sign'], extractable: 'plaintext', persistent: false }) as const;
const openssl = (input: Uint8Array, ...args: string[]): Buffer =>
  execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'ignore'] });

async function refusedWith(c: TestCurve, forms: Record<string, unknown>, message: RegExp): Promise<void> {
  for (const [name, form] of Object.entries(forms)) {
    const error = await refusal(() => it.session.importKey(templateOf(c), form as Uint8Array));
    expect([name, error.code, error.message]).toEqual([name, 'KEYCELL_INPUT_INVALID', expect.stringMatching(message)]);
  }
}

/** A key whose scalar begins with a zero: what some write shorter. */
function shortPair(c: TestCurve): NodePair & { readonly short: Buffer } {
  for (;;) {
    const pair = nodePair(c);
    if (pair.scalar[0] === 0) return { ...pair, short: pair.scalar.subarray(1) };
  }
}

describe.each(CURVES)('$curve', (c) => {
  const pair = nodePair(c);
  const other = nodePair(c);
  const foreign = CURVES.find(({ curve }) => curve !== c.curve)!;
  const foreignPair = nodePair(foreign);
  const { scalar, point, compressed } = pair;
  const parameters = oid(c);
  const bare = sec1({ scalar });

  async function taken(forms: Record<string, Uint8Array>, expected = pair): Promise<void> {
    for (const [name, form] of Object.entries(forms)) {
      const key = await it.session.importKey(templateOf(c), atOddOffset(form));
      expect([name, Buffer.from(await it.session.exportKey(key))]).toEqual([name, expected.pkcs8]);
    }
  }

  test('PKCS#8 of both versions, with attributes, whatever its inner part leaves out', async () => {
    const inners = [
      bare,
      sec1({ scalar, point }),
      sec1({ scalar, point: compressed }),
      sec1({ scalar, parameters }),
      sec1({ scalar, parameters, point }),
    ];
    const forms: Record<string, Uint8Array> = {};
    inners.forEach((inner, i) => {
      forms[`inner ${i}`] = pkcs8({ parameters, inner });
      forms[`inner ${i}, attributes`] = pkcs8({ parameters, inner, attributes: ATTRIBUTES });
      forms[`inner ${i}, version 2`] = pkcs8({ version: 1, parameters, inner, publicKey: bits(point) });
      forms[`inner ${i}, version 2, all`] = pkcs8({
        ...{ version: 1, parameters, inner, attributes: ATTRIBUTES },
        publicKey: bits(compressed),
      });
    });
    // Those that node reads, it reads as the same key.
    for (const name of ['inner 0', 'inner 0, attributes', 'inner 1, attributes', 'inner 4']) {
      expect(nodePrivate(forms[name]!).equals(pair.privateKey)).toBe(true);
    }
    await taken(forms);
  });

  test('SEC 1 without parameters, and with', async () => {
    await taken({
      bare,
      point: sec1({ scalar, point }),
      compressed: sec1({ scalar, point: compressed }),
      parameters: sec1({ scalar, parameters }),
      all: sec1({ scalar, parameters, point }),
    });
  });

  test('lengths longer than they need be', async () => {
    const forms: Record<string, Uint8Array> = {};
    for (const width of WIDTHS) {
      forms[`SEC 1, ${width}`] = sec1({ scalar, parameters, point }, width);
      for (const inside of WIDTHS) {
        const inner = sec1({ scalar, point }, inside);
        forms[`PKCS#8, ${width}, ${inside}`] = pkcs8({ parameters, inner, attributes: ATTRIBUTES }, width);
      }
    }
    await taken(forms);
  });

  test('a 00 before the scalar', async () => {
    const longer = Buffer.concat([Buffer.of(0), scalar]);
    await taken({
      raw: longer,
      'SEC 1': sec1({ scalar: longer, point }),
      'SEC 1 alone': sec1({ scalar: longer }),
      'PKCS#8': pkcs8({ parameters, inner: sec1({ scalar: longer }) }),
    });
    const wrong = Buffer.concat([Buffer.of(1), scalar]);
    const twice = Buffer.concat([Buffer.of(0), longer]);
    await refusedWith(
      c,
      Object.fromEntries([wrong, twice].map((scalar, i) => [i, pkcs8({ parameters, inner: sec1({ scalar }) })])),
      /not a valid private key/,
    );
    await refusedWith(c, { wrong, twice }, /encoding/);
  });

  test('a scalar without its leading zeros, where something else says the curve', async () => {
    const short = shortPair(c);
    const { short: scalar, point } = short;
    await taken(
      {
        'SEC 1 with parameters': sec1({ scalar, parameters }),
        'SEC 1 with its point': sec1({ scalar, point }),
        'PKCS#8': pkcs8({ parameters, inner: sec1({ scalar }) }),
      },
      short,
    );
    await refusedWith(c, { 'SEC 1 alone': sec1({ scalar }) }, /lacks its leading zeros/);
    await refusedWith(c, { raw: scalar }, /encoding/);
    const none = {
      'no scalar': sec1({ scalar: Buffer.of(), parameters }),
      zero: sec1({ scalar: Buffer.of(0), parameters }),
    };
    await refusedWith(c, none, /not a valid private key/);
  });

  test('PEM, however it is laid out', async () => {
    const exported = (type: 'pkcs8' | 'sec1') => text(pair.privateKey.export({ format: 'pem', type }) as string);
    const curve = pem('EC PARAMETERS', parameters);
    const certificate = pem('CERTIFICATE', randomBytes(300));
    await taken({
      PKCS8: exported('pkcs8'),
      SEC1: exported('sec1'),
      'CR LF': pem('PRIVATE KEY', pair.pkcs8, '\r\n'),
      'one line': pem('PRIVATE KEY', pair.pkcs8, '\n', 9999),
      'lines of 76': pem('EC PRIVATE KEY', pair.sec1, '\n', 76),
      'lines of 61': pem('EC PRIVATE KEY', pair.sec1, '\n', 61),
      'no line feed at the end': exported('pkcs8').subarray(0, -1),
      'text around': Buffer.concat([
        text('Bag Attributes\n  - name: a--b -----\n'),
        exported('pkcs8'),
        text('\n-- \n'),
      ]),
      'a byte order mark': Buffer.concat([text('\ufeff'), exported('sec1')]),
      'EC PARAMETERS first': Buffer.concat([curve, exported('sec1')]),
      'certificates around': Buffer.concat([certificate, exported('pkcs8'), certificate, certificate]),
      'without parameters': pem('EC PRIVATE KEY', bare),
      'with attributes': pem('PRIVATE KEY', pkcs8({ parameters, inner: bare, attributes: ATTRIBUTES })),
    });
  });

  test('what OpenSSL writes', needs('openssl'), async () => {
    const generated = openssl(Buffer.of(), 'ecparam', '-name', c.openssl, '-genkey');
    expect(generated.toString()).toMatch(/^-----BEGIN EC PARAMETERS-----/);
    const expected = createPrivateKey(generated).export({ format: 'der', type: 'pkcs8' });
    const forms = [generated, openssl(generated, 'pkcs8', '-topk8', '-nocrypt'), openssl(generated, 'pkey', '-text')];
    for (const form of forms) {
      const key = await it.session.importKey(templateOf(c), form);
      expect(Buffer.from(await it.session.exportKey(key))).toEqual(expected);
    }
    const [from, to] = [foreign, c].map(({ openssl: name }) => openssl(Buffer.of(), 'ecparam', '-name', name));
    const crossed = Buffer.concat([from!, generated.subarray(to!.length)]);
    await refusedWith(c, { 'parameters of another curve': crossed }, /another curve/);
    const explicit = openssl(generated, 'ec', '-param_enc', 'explicit');
    const explicitPkcs8 = openssl(explicit, 'pkcs8', '-topk8', '-nocrypt', '-outform', 'DER');
    await refusedWith(c, { explicit, explicitPkcs8 }, /spells its curve out.*named_curve/);
    // What the message says to do helps.
    const named = openssl(explicit, 'ec', '-param_enc', 'named_curve');
    expect((await it.session.importKey(templateOf(c), named)).curve).toBe(c.curve);
  });

  test('encrypted ones, and how to decrypt them', async () => {
    const encrypt = (type: 'pkcs8' | 'sec1', format: 'pem' | 'der') =>
      Buffer.from(pair.privateKey.export({ type, format, cipher: 'aes-256-cbc', passphrase: 'p' } as never) as never);
    const forms = { pkcs8: encrypt('pkcs8', 'pem'), der: encrypt('pkcs8', 'der'), sec1: encrypt('sec1', 'pem') };
    expect(forms.sec1.toString()).toContain('Proc-Type: 4,ENCRYPTED');
    await refusedWith(c, forms, /encrypted.*openssl pkey/);
  });

  test('keys of other kinds and curves', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const ed = generateKeyPairSync('ed25519').privateKey;
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;
    const algorithms: Record<string, Uint8Array> = {};
    for (const format of ['pem', 'der'] as const) {
      algorithms[`RSA, PKCS#8, ${format}`] = Buffer.from(rsa.export({ type: 'pkcs8', format } as never) as never);
      algorithms[`RSA, PKCS#1, ${format}`] = Buffer.from(rsa.export({ type: 'pkcs1', format } as never) as never);
      algorithms[`Ed25519, ${format}`] = Buffer.from(ed.export({ type: 'pkcs8', format } as never) as never);
    }
    await refusedWith(c, algorithms, /not EC/);
    const der = { type: 'pkcs8', format: 'der' } as const;
    await refusedWith(
      c,
      { 'P-521': p521.export(der), 'P-521, SEC 1': p521.export({ ...der, type: 'sec1' }) },
      /of a curve that is not offered/,
    );
    // As long as a raw scalar of P-384.
    const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ format: 'jwk' }).d!;
    const short = sec1({
      scalar: Buffer.from(k1, 'base64url'),
      parameters: oid(CURVES.find(({ curve }) => curve === 'secp256k1')!),
    });
    expect(short.length).toBe(48);
    if (c.curve !== 'secp256k1')
      await refusedWith(c, { 'SEC 1 of secp256k1, without its public key': short }, /another curve/);
    const crossed = sec1({ scalar, parameters: oid(foreign) });
    await refusedWith(
      c,
      { pkcs8: foreignPair.pkcs8, sec1: foreignPair.sec1, crossed, inside: pkcs8({ parameters, inner: crossed }) },
      /another curve/,
    );
    await refusedWith(
      c,
      { spki: pair.spki, pem: pem('PUBLIC KEY', pair.spki), certificate: pem('CERTIFICATE', pair.spki) },
      /public key or certificate/,
    );
  });

  test('a public key that is not its own', async () => {
    const inner = sec1({ scalar, point: other.point });
    const mixed = { version: 1, parameters, inner: sec1({ scalar, point }) };
    await refusedWith(
      c,
      {
        'SEC 1': inner,
        'SEC 1, compressed': sec1({ scalar, point: other.compressed }),
        'PKCS#8': pkcs8({ parameters, inner }),
        'version 2': pkcs8({ version: 1, parameters, inner: bare, publicKey: bits(other.point) }),
        'version 2, where the inner one is': pkcs8({ ...mixed, publicKey: bits(other.point) }),
        'cut short': sec1({ scalar, point: point.subarray(0, -1) }),
        'its first byte alone': sec1({ scalar, point: point.subarray(0, 1) }),
        empty: sec1({ scalar, point: Buffer.of() }),
        hybrid: sec1({ scalar, point: Buffer.concat([Buffer.of(6 + (point.at(-1)! & 1)), point.subarray(1)]) }),
      },
      /not its own/,
    );
  });

  test('what is ambiguous, or no encoding of a key', async () => {
    const inner = bare;
    const key = pem('PRIVATE KEY', pair.pkcs8);
    const version2 = { version: 1, parameters, inner };
    const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), bare.subarray(2), Buffer.of(0, 0)]);
    await refusedWith(c, { 'two keys': Buffer.concat([key, pem('EC PRIVATE KEY', pair.sec1)]) }, /more than one key/);
    await refusedWith(
      c,
      {
        indefinite,
        'a length of no bytes known': Buffer.concat([Buffer.of(0x30, 0xff), bare.subarray(2)]),
        'a length of five bytes': Buffer.concat([Buffer.of(0x30, 0x85, 0, 0, 0, 0), bare.subarray(1)]),
        'indefinite within': pkcs8({ parameters, inner: indefinite }),
        'version 2 without its key': pkcs8(version2),
        'version 1 with one': pkcs8({ ...version2, version: 0, publicKey: bits(point) }),
        'version 3': pkcs8({ ...version2, version: 2, publicKey: bits(point) }),
        'SEC 1, version 0': sec1({ version: 0, scalar }),
        'SEC 1, version 2': sec1({ version: 2, scalar }),
        'unused bits': pkcs8({ ...version2, publicKey: Buffer.concat([Buffer.of(1), point]) }),
        'no bits': pkcs8({ ...version2, publicKey: Buffer.of() }),
        'something behind': Buffer.concat([pair.pkcs8, Buffer.of(0)]),
        'something behind, within': pkcs8({ parameters, inner: Buffer.concat([bare, Buffer.of(5, 0)]) }),
        'something behind the parameters': pkcs8({ parameters: Buffer.concat([parameters, Buffer.of(5, 0)]), inner }),
        'no parameters': pkcs8({ parameters: Buffer.of(), inner }),
        'parameters of NULL': pkcs8({ parameters: Buffer.of(5, 0), inner }),
        'a constructed scalar': element(0x30, Buffer.concat([Buffer.of(2, 1, 1), element(0x24, element(4, scalar))])),
        'an OpenSSH key': pem('OPENSSH PRIVATE KEY', pair.pkcs8),
        'only parameters': pem('EC PARAMETERS', parameters),
        'no label': pem('', pair.pkcs8),
        'another label at the end': text(key.toString().replace('END PRIVATE', 'END EC PRIVATE')),
        'no end': text(key.toString().replace(/-----END.*/, '')),
        'a dash within': text(key.toString().replace('MI', 'M-')),
        'no base64': text(key.toString().replace('MI', 'M!')),
        base64url: text(key.toString().replaceAll(/[A-Z](?=.*\n-----END)/g, '_')),
        'no padding': text(pem('EC PRIVATE KEY', pad(pair, c)).toString().replace(/=+/, '')),
        'an empty block': pem('PRIVATE KEY', Buffer.of()),
        'base64 alone': text(pair.pkcs8.toString('base64')),
        'UTF-16': Buffer.from(key.toString(), 'utf16le'),
        'nothing at all': Buffer.of(),
      },
      /encoding/,
    );
  });

  test('a string is told to be bytes; more than 64 KiB is too much', async () => {
    const asString = pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
    await refusedWith(c, { PEM: asString, empty: '' }, /private key comes as bytes.*without an encoding/);
    const large = (size: number) => Buffer.concat([Buffer.alloc(size, 32), pem('PRIVATE KEY', pair.pkcs8)]);
    await taken({ large: large(60_000) });
    expect(await code(() => it.session.importKey(templateOf(c), large(65_536)))).toBe('KEYCELL_LIMIT_EXCEEDED');
  });

  test('every cut of every form', async () => {
    const forms = [
      pkcs8({ version: 1, parameters, inner: sec1({ scalar, point }), attributes: ATTRIBUTES, publicKey: bits(point) }),
      sec1({ scalar, parameters, point }, 2),
      pem('EC PRIVATE KEY', pair.sec1),
    ];
    for (const form of forms) {
      for (let length = 0; length < form.length; length++) {
        // The line feed is not missed.
        if (form[0] === 0x2d && length === form.length - 1) continue;
        const cut = form.subarray(0, length);
        // So short, it is a scalar.
        if (length === c.size) continue;
        expect([length, await code(() => it.session.importKey(templateOf(c), cut))]).toEqual([
          length,
          'KEYCELL_INPUT_INVALID',
        ]);
      }
    }
  });

  test('altered at random, it is refused, or a key whose scalar stands there', async () => {
    const seeds = [
      pkcs8({ version: 1, parameters, inner: sec1({ scalar, point }), attributes: ATTRIBUTES, publicKey: bits(point) }),
      pkcs8({ parameters, inner: bare, attributes: ATTRIBUTES }, 1),
      sec1({ scalar, parameters }),
      bare,
      pair.pkcs8,
    ];
    let accepted = 0;
    const change = fc.record({
      at: fc.nat(400),
      remove: fc.nat(2),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom(
          ...[[0x81], [0x82, 0], [0], [4], [0x30, 0x80], [0xa0, 0], [5, 0]].map((v) => Uint8Array.from(v)),
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async (seed, changes) => {
          const form = altered(seed, changes);
          if (form.length === c.size) return;
          try {
            const key = await it.session.importKey(templateOf(c), form);
            const exported = nodePrivate(await it.session.exportKey(key)).export({ format: 'jwk' }).d!;
            let found = Buffer.from(exported, 'base64url');
            while (found[0] === 0) found = found.subarray(1);
            expect(form.includes(found)).toBe(true);
            accepted++;
          } catch (error) {
            if (!(error instanceof HsmError)) throw error;
            expect(error.code).toBe('KEYCELL_INPUT_INVALID');
          }
        },
      ),
      { numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(5);
  });
});

/** SEC 1 of a length that base64 pads. */
function pad({ scalar, point }: NodePair, c: TestCurve): Buffer {
  const forms = [sec1({ scalar }), sec1({ scalar, point }), sec1({ scalar, parameters: oid(c) }), sec1({ scalar }, 1)];
  return forms.find(({ length }) => length % 3 !== 0)!;
}

test('a blob that does not say its curve, whatever its form, is of the curve that the unwrapTemplate names', async () => {
  const c = CURVES[0];
  const { scalar, point } = nodePair(c);
  const raw = bytes(32, 9);
  const kek = (curve?: 'P-256') => {
    const unwrapTemplate = { type: 'EC', usage: ['sign'], ...(curve && { curve }) } as const;
    const template = { type: 'AES', bits: 256, usage: ['unwrap'], unwrapTemplate, persistent: false } as const;
    return it.session.importKey(template, raw);
  };
  const unwrap = async (form: Uint8Array, named?: 'P-256') => {
    const blob = nodeWrap('AES-KWP', raw, form);
    const template = { type: 'EC', curve: 'P-256', usage: ['sign'] } as const;
    return it.session.unwrapKey(await kek(named), blob, template, { mechanism: 'AES-KWP' });
  };
  const silent = [scalar, Buffer.concat([Buffer.of(0), scalar]), sec1({ scalar })];
  for (const form of silent) {
    expect((await unwrap(form, 'P-256')).curve).toBe('P-256');
    expect((await refusal(() => unwrap(form))).message).toMatch(/^a bare scalar does not say its curve/);
  }
  const telling = [
    sec1({ scalar, parameters: oid(c) }),
    sec1({ scalar, point }),
    pkcs8({ parameters: oid(c), inner: silent[2]! }),
  ];
  for (const form of telling) expect((await unwrap(form)).curve).toBe('P-256');
});
