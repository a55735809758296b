/** What a service asks of an HSM, each with one check of its result before it is timed. */
import { createHash } from 'node:crypto';
import type { Session } from '../../../model/hsm.ts';
import type { PublicJwk } from '../../../model/key.ts';

export interface Case {
  readonly name: string;
  /** Throws if the result is wrong. */
  readonly check: () => Promise<void>;
  readonly run: () => Promise<unknown>;
  /** How many operations one call is; then only calls one after the other are timed. */
  readonly operations?: number;
}

const MESSAGE_SIZE = 256;
const MANY = 1000;
const CONTENT_KEYS = 4;
const LICENCE_SIZE = 2048;
const PROOF_SECONDS = 86_400;

const bytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function must(right: boolean, name: string): void {
  if (!right) throw new Error(`${name}: the result is wrong`);
}

export async function makeCases(session: Session, hsmId: string): Promise<Case[]> {
  return [
    ...(await signatures(session)),
    await authentication(session),
    ...(await encryption(session)),
    await wrapping(session),
    await licence(session, hsmId),
  ];
}

async function signatures(session: Session): Promise<Case[]> {
  const message = bytes(MESSAGE_SIZE);
  const cases: Case[] = [];
  for (const curve of ['P-256', 'P-384', 'secp256k1'] as const) {
    const key = await session.generateKey({ type: 'EC', curve, usage: ['sign', 'verify'] });
    const signature = await session.sign(key, message);
    const run = () => session.sign(key, message);
    const verify = async () => must(await session.verify(key, signature, message), `verify ${curve}`);
    cases.push({
      name: `sign ${curve}`,
      run,
      check: async () => must(await session.verify(key, await run(), message), curve),
    });
    if (curve !== 'P-256') continue;
    const messages = Array.from({ length: MANY }, () => message);
    cases.push(
      {
        name: `signMany ${curve}, ${MANY} a call`,
        operations: MANY,
        run: () => session.signMany(key, messages),
        check: async () => must((await session.signMany(key, messages)).length === MANY, 'signMany'),
      },
      { name: `verify ${curve}`, run: () => session.verify(key, signature, message), check: verify },
    );
  }
  return cases;
}

async function authentication(session: Session): Promise<Case> {
  const key = await session.generateKey({ type: 'HMAC', bits: 256, usage: ['sign', 'verify'] });
  const message = bytes(MESSAGE_SIZE);
  const run = () => session.sign(key, message);
  return {
    name: `HMAC-SHA-256, ${MESSAGE_SIZE} B`,
    run,
    check: async () => must(await session.verify(key, await run(), message), 'HMAC'),
  };
}

async function encryption(session: Session): Promise<Case[]> {
  const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] });
  return [64, 1024, 65_536].map((size) => {
    const plaintext = bytes(size);
    return {
      name: `encrypt ${size} B`,
      run: () => session.encrypt(key, plaintext),
      check: async () => {
        const opened = await session.decrypt(key, await session.encrypt(key, plaintext));
        must(Buffer.compare(opened, plaintext) === 0, 'encrypt');
      },
    };
  });
}

async function wrapping(session: Session): Promise<Case> {
  const kek = await session.generateKey({ type: 'AES', bits: 256, usage: ['wrap', 'unwrap'] });
  const template = { type: 'AES', bits: 256, usage: [], extractable: 'wrapped', persistent: false } as const;
  const key = await session.generateKey(template);
  const run = () => session.wrapKey(kek, key, { mechanism: 'AES-KW' });
  const check = async () => {
    const back = await session.unwrapKey(kek, await run(), template, { mechanism: 'AES-KW' });
    must(back.checkValue === key.checkValue, 'wrapKey');
  };
  return { name: 'wrap 32 B, AES-KW', run, check };
}

/** The keys' part of a DRM licence: check the shop's proof, re-wrap the content keys to the device, sign the licence. */
async function licence(session: Session, hsmId: string): Promise<Case> {
  const shop = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign', 'verify'] });
  const { kid: _, ...shopJwk } = shop.jwk;
  const issuer = await session.importKey(
    { type: 'EC', curve: 'P-256', class: 'public', usage: ['verify'] },
    shopJwk as PublicJwk,
  );
  const kek = await session.generateKey({
    type: 'AES',
    bits: 256,
    usage: ['wrap', 'unwrap'],
    rewrapPolicy: { issuer, proofMaxAge: PROOF_SECONDS, blobs: 'required' },
    unwrapTemplate: { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
  });
  const blobs = await Promise.all(
    Array.from({ length: CONTENT_KEYS }, async () => {
      const template = { type: 'AES', bits: 128, usage: [], extractable: 'wrapped', persistent: false } as const;
      return session.wrapKey(kek, await session.generateKey(template), { mechanism: 'AES-KW' });
    }),
  );

  const device = await session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'] });
  const { kid: jkt, ...jwk } = device.jwk;
  const iat = Math.floor(Date.now() / 1000);
  const digests = blobs.map((blob) => createHash('sha256').update(blob).digest('base64url'));
  const claims = { aud: `keycell:${hsmId}`, iat, exp: iat + PROOF_SECONDS, cnf: { jkt }, blobs: digests };
  const input = `${text({ alg: 'ES256', typ: 'keycell-rewrap+jwt' })}.${text(claims)}`;
  const proof = `${input}.${Buffer.from(await session.sign(shop, Buffer.from(input))).toString('base64url')}`;
  const header = blobs.map((_, i) => ({ kid: `key-${i + 1}` }));
  const licenceText = bytes(LICENCE_SIZE);
  const run = async () => {
    const to = { jwk: jwk as PublicJwk, proof };
    const jwes = await session.rewrapKeys(blobs, { from: kek, mechanism: 'AES-KW', to, as: 'JWE', header });
    return { jwes, signature: await session.sign(shop, licenceText) };
  };
  const check = async () => {
    const { jwes, signature } = await run();
    const whole = jwes.length === CONTENT_KEYS && jwes.every((jwe) => jwe.split('.').length === 5);
    must(whole && (await session.verify(shop, signature, licenceText)), 'a licence');
  };
  return { name: `a licence, ${CONTENT_KEYS} keys`, run, check };
}
