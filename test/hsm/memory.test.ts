/** What is left of a key in the process's memory, looked for from outside through /proc. */
import { describe, expect, test } from 'vitest';
import { searchMemory } from '../../examples/licence-server/memory-search.ts';
import { startNode, temporaryFolder } from '../support/child.ts';

/** The pattern that the child makes in place, so that no copy of it ever stood anywhere else. */
const pattern = (seed: number) =>
  Uint8Array.from({ length: 32 }, (_, i) => (seed * (i + 3) * 167 + 13 * i * i + 89) & 255);
const halves = (key: Uint8Array) => [key.subarray(0, 16), key.subarray(16)];

describe('a key that was brought in and wiped', () => {
  test('is found before, and nowhere after work, nor after the seal; what was kept is found', async () => {
    const child = startNode('hsm/support/remember.mjs', temporaryFolder());
    const search = async (step: string) => {
      await child.said(step);
      const found = await searchMemory(child.child.pid!, [...halves(pattern(31)), ...halves(pattern(57))]);
      if (!found.available) throw new Error(`this test reads /proc/<pid>/mem: ${found.reason}`);
      expect(found.bytesRead).toBeGreaterThan(1e8);
      child.child.kill('SIGUSR2');
      return found.copies;
    };
    const before = await search('before');
    expect(Math.min(...before)).toBeGreaterThanOrEqual(1);
    const [first, second, ...kept] = await search('worked');
    // The positive control: an array that the child still holds.
    expect(Math.min(...kept)).toBeGreaterThanOrEqual(1);
    expect([first, second]).toEqual([0, 0]);
    const sealed = await search('sealed');
    expect(Math.min(...sealed.slice(2))).toBeGreaterThanOrEqual(1);
    expect(sealed.slice(0, 2)).toEqual([0, 0]);
    expect((await child.ended).code).toBe(0);
  });
});

/** SEC 1 of P-256 around a scalar, so that base64 digits of its own stand for bytes 2 to 31: all but the first two. */
const digitsOf = (scalar: Uint8Array) => Buffer.from(Buffer.from(scalar.subarray(2, 32)).toString('base64'));

describe('a private key that was brought in as PEM and wiped', () => {
  test('is found before, and nowhere afterwards: not its text, and not what it stands for', async () => {
    const child = startNode('hsm/support/remember-pem.mjs', temporaryFolder());
    const scalars = [pattern(31), pattern(57)];
    const [brought, kept] = scalars.map((scalar) => {
      const digits = digitsOf(scalar);
      return { texts: [digits.subarray(0, 16), digits.subarray(-16)], scalar: halves(scalar) };
    });
    const needles = [...brought!.texts, ...brought!.scalar, ...kept!.texts];
    const search = async (step: string) => {
      await child.said(step);
      const found = await searchMemory(child.child.pid!, needles);
      if (!found.available) throw new Error(`this test reads /proc/<pid>/mem: ${found.reason}`);
      child.child.kill('SIGUSR2');
      return found.copies;
    };
    const before = await search('before');
    expect(Math.min(before[0]!, before[1]!, before[4]!, before[5]!)).toBeGreaterThanOrEqual(1);
    const after = await search('worked');
    // The positive control: an array that the child still holds.
    expect(Math.min(...after.slice(4))).toBeGreaterThanOrEqual(1);
    expect(after.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect((await child.ended).code).toBe(0);
  });
});
