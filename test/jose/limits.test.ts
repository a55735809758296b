/** What a token may hold is bounded before it is parsed, and what a caller puts into one before anything is signed. */
import { expect, test, vi } from 'vitest';
import { decryptJwe, encryptJwe, signCompact, signJwt, verifyCompact, verifyJwt } from '../../dist/jose/index.js';
import { CLAIMS_BOUNDS, HEADER_BOUNDS, KDF_FIELD_MAX } from '../../src/model/limits.ts';
import { ephemeral, refusal } from '../operations/support.ts';

const hsm = ephemeral();
const signing = () => hsm.session.generateKey({ type: 'EC', curve: 'P-256', usage: ['sign'], persistent: false });
const receiving = () => hsm.session.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false });
const said = async (call: () => Promise<unknown>): Promise<string> => {
  const { code, message } = await refusal(call);
  return `${code} ${message}`;
};
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
const wide = (members: number) => Object.fromEntries(Array.from({ length: members }, (_, i) => [`m${i}`, i]));
const BEYOND: [string, object][] = [
  ['8 KiB', { x: 'a'.repeat(HEADER_BOUNDS.bytes) }],
  ['16 levels', nested(HEADER_BOUNDS.depth + 1)],
  ['64 members', wide(HEADER_BOUNDS.members + 1)],
];

test.each(BEYOND)('a token whose header has more than %s is refused, and not parsed', async (_, beyond) => {
  const key = await signing();
  const device = await receiving();
  const jws = `${b64({ alg: 'ES256', ...beyond })}.${b64({})}.${'A'.repeat(86)}`;
  const jwe = `${b64({ alg: 'ECDH-ES', enc: 'A256GCM', ...beyond })}..${'A'.repeat(16)}.AAAA.${'A'.repeat(22)}`;
  const parse = vi.spyOn(JSON, 'parse');
  for (const call of [
    () => verifyCompact(hsm.session, key, jws),
    () => verifyJwt(hsm.session, key, jws),
    () => decryptJwe(hsm.session, device, jwe),
  ]) {
    expect(await said(call)).toMatch(/^KEYCELL_TOKEN_INVALID the header has more than/);
  }
  expect(parse).not.toHaveBeenCalled();
  parse.mockRestore();
});

test.each(BEYOND)('no token is made with a header of more than %s', async (_, beyond) => {
  const key = await signing();
  const device = await receiving();
  const header = beyond as Record<string, unknown>;
  for (const call of [
    () => signCompact(hsm.session, key, new Uint8Array(3), { header }),
    () => signJwt(hsm.session, key, {}, { header }),
    () => encryptJwe(hsm.session, device, new Uint8Array(3), { header }),
  ]) {
    expect(await said(call)).toMatch(
      /^KEYCELL_LIMIT_EXCEEDED the header may have at most 8192 bytes, 16 levels and 64 members/,
    );
  }
});

test('headers within the bounds go both ways', async () => {
  const key = await signing();
  const device = await receiving();
  // alg, kid and typ; alg, enc, kid, and epk with its four, are members, too.
  for (const header of [nested(HEADER_BOUNDS.depth), wide(HEADER_BOUNDS.members - 8), { x: 'a'.repeat(7000) }]) {
    const jwt = await signJwt(hsm.session, key, { sub: 'x' }, { header });
    expect((await verifyJwt(hsm.session, key.jwk, jwt)).header).toMatchObject(header);
    const jwe = await encryptJwe(hsm.session, device, Uint8Array.of(1, 2, 3), { header });
    const opened = await decryptJwe(hsm.session, device, jwe);
    expect(opened.header).toMatchObject(header);
    expect(opened.plaintext).toEqual(Uint8Array.of(1, 2, 3));
  }
});

test('claims are bounded, when they are signed and once their signature holds', async () => {
  const key = await signing();
  const { bytes, depth, members } = CLAIMS_BOUNDS;
  for (const beyond of [{ x: 'a'.repeat(bytes) }, nested(depth + 1), wide(members + 1)]) {
    expect(await said(() => signJwt(hsm.session, key, beyond))).toMatch(
      /^KEYCELL_LIMIT_EXCEEDED claims may have at most/,
    );
    const signed = await signCompact(hsm.session, key, new TextEncoder().encode(JSON.stringify(beyond)));
    expect(await said(() => verifyJwt(hsm.session, key.jwk, signed))).toMatch(
      /^KEYCELL_TOKEN_INVALID the payload has more than/,
    );
    // A payload that nobody parses is a message as any.
    expect((await verifyCompact(hsm.session, key.jwk, signed)).payload.length).toBe(JSON.stringify(beyond).length);
  }
  const most = { iat: 1, ...wide(members - 1) };
  expect((await verifyJwt(hsm.session, key.jwk, await signJwt(hsm.session, key, most))).claims).toEqual(most);
});

test('apu and apv have 1 KiB each, on both sides', async () => {
  const device = await receiving();
  const most = new Uint8Array(KDF_FIELD_MAX).fill(7);
  const over = new Uint8Array(KDF_FIELD_MAX + 1);
  const jwe = await encryptJwe(hsm.session, device, Uint8Array.of(1), { apu: most, apv: most });
  expect((await decryptJwe(hsm.session, device, jwe)).plaintext).toEqual(Uint8Array.of(1));
  const [header, ...rest] = jwe.split('.');
  const members = JSON.parse(Buffer.from(header!, 'base64url').toString());
  for (const name of ['apu', 'apv'] as const) {
    const call = () => encryptJwe(hsm.session, device, Uint8Array.of(1), { [name]: over });
    expect(await said(call)).toMatch(new RegExp(`^KEYCELL_LIMIT_EXCEEDED ${name} has at most 1024 bytes`));
    const token = [b64({ ...members, [name]: Buffer.from(over).toString('base64url') }), ...rest].join('.');
    expect(await said(() => decryptJwe(hsm.session, device, token))).toMatch(
      new RegExp(`^KEYCELL_TOKEN_INVALID ${name} has more than 1024 bytes`),
    );
  }
});

test('a token of dots is not taken apart', async () => {
  const key = await signing();
  const split = vi.spyOn(String.prototype, 'split');
  const call = () => verifyCompact(hsm.session, key, '.'.repeat(1_000_000));
  expect(await said(call)).toMatch(/^KEYCELL_TOKEN_INVALID the token does not have 3 parts/);
  const longest = Math.max(...split.mock.results.map(({ value }) => (value as string[]).length));
  split.mockRestore();
  expect(longest).toBeLessThanOrEqual(4);
});
