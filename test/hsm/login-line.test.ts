/** The line of logins: whose turn it is, and how many wait. Nothing here looks at a clock. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HsmError } from '../../src/errors.ts';
import { type Caller, LoginLine, type Place, type Turn } from '../../src/hsm/login-line.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A line, and the names whose turns came, in order. */
function watched(threads = 1) {
  const line = new LoginLine(threads);
  const turns: string[] = [];
  const inside: Place[] = [];
  const refused: string[] = [];
  return {
    line,
    turns,
    inside,
    refused,
    /** True where there was a place. */
    enter(caller: Caller, name: string): boolean {
      let place: Place;
      try {
        place = line.enter({ caller, name });
      } catch (error) {
        expect((error as HsmError).code).toBe('KEYCELL_BUSY');
        expect((error as HsmError).retryable).toBe(true);
        return false;
      }
      place.ready.then(
        () => {
          turns.push(name);
          inside.push(place);
        },
        (error: HsmError) => refused.push(error.code),
      );
      return true;
    },
    /** The oldest of those inside is through; whose turn comes then is the last of `turns`. */
    async leave(): Promise<void> {
      inside.shift()?.leave();
      await settled();
    },
  };
}

test('a flood of one name holds up no other name', async () => {
  const { enter, leave, turns } = watched();
  let taken = 0;
  for (let i = 0; i < 20_000; i++) if (enter('stranger', 'nobody')) taken++;
  // One is hashed, and few wait.
  expect(taken).toBe(17);
  expect(enter('stranger', 'another')).toBe(true);
  expect(enter('crypto-user', 'alice')).toBe(true);
  await settled();
  await leave();
  await leave();
  expect(turns).toEqual(['nobody', 'alice', 'another']);
});

test('ever new names do not keep waiting who had a turn a moment ago', async () => {
  for (const threads of [1, 2, 4]) {
    const { enter, leave, turns } = watched(threads);
    let strangers = 0;
    // As a flood does: it takes every place of the line that comes free.
    const flood = () => {
      while (enter('stranger', `nobody ${strangers}`)) strangers++;
    };
    expect(enter('crypto-user', 'alice')).toBe(true);
    flood();
    await settled();
    await leave();
    for (let round = 0; round < 50; round++) {
      // A place is free, and alice is quicker than the flood.
      expect(enter('crypto-user', 'alice')).toBe(true);
      flood();
      const before = turns.length;
      while (!turns.slice(before).includes('alice')) {
        await leave();
        flood();
        expect(turns.length - before).toBeLessThanOrEqual(5 * threads);
      }
    }
  }
});

test('names that take turns in a flood go before no first login for long', async () => {
  for (const threads of [1, 2, 4]) {
    for (const warm of [8, 16, 30, 32]) {
      const { enter, leave, turns } = watched(threads);
      let next = 0;
      // Each place goes to the one of the flood's names whose last turn is the longest ago.
      const fill = () => {
        while (enter('stranger', `nobody ${next % warm}`)) next++;
      };
      fill();
      await settled();
      for (let i = 0; i < 100; i++) {
        await leave();
        fill();
      }
      await leave();
      // A place is free, and somebody is quicker than the flood.
      expect(enter('crypto-user', 'first')).toBe(true);
      const before = turns.length;
      while (!turns.includes('first')) {
        fill();
        await leave();
        expect(turns.length - before).toBeLessThanOrEqual(3 * threads);
      }
    }
  }
});

test('a flood of many names is bounded, and each user whom the HSM knows comes next, admins first', async () => {
  const { enter, leave, turns } = watched();
  let taken = 0;
  for (let i = 0; i < 20_000; i++) if (enter('stranger', `nobody ${i}`)) taken++;
  expect(taken).toBeLessThan(10);
  for (const [caller, name] of [
    ['crypto-user', 'alice'],
    ['crypto-user', 'bob'],
    ['admin', 'officer'],
    ['admin-with-passphrase', 'officer'],
    ['custodian', ''],
  ] as const) {
    expect(enter(caller, name)).toBe(true);
  }
  await settled();
  for (let i = 0; i < 5; i++) await leave();
  expect(turns).toEqual(['nobody 0', '', 'officer', 'officer', 'alice', 'nobody 1']);
});

const KNOWN = ['custodian', 'admin-with-passphrase', 'admin', 'crypto-user'] as const;

test.each(KNOWN)('a flood by a %s lets the others through', async (caller) => {
  const { enter, leave, turns } = watched();
  let taken = 0;
  for (let i = 0; i < 20_000; i++) if (enter(caller, 'flood')) taken++;
  expect(taken).toBeLessThan(100);
  const others = KNOWN.filter((other) => other !== caller);
  for (const other of others) expect(enter(other, other)).toBe(true);
  await settled();
  for (let i = 0; i < 5; i++) await leave();
  expect(turns).toEqual(expect.arrayContaining(others));
});

test('an admin’s name that floods with passphrases holds up neither another’s nor who unseals', async () => {
  const { enter, leave, turns } = watched();
  let taken = 0;
  for (let i = 0; i < 1000; i++) if (enter('admin-with-passphrase', 'officer')) taken++;
  expect(taken).toBeLessThan(12);
  expect(enter('admin-with-passphrase', 'second')).toBe(true);
  for (let i = 0; i < 8; i++) expect(enter('custodian', '')).toBe(true);
  await settled();
  for (let i = 0; i < 2; i++) await leave();
  expect(turns.slice(0, 3)).toEqual(['officer', '', 'second']);
});

test('who waits is refused when the HSM is sealed, and the line goes on', async () => {
  const { line, enter, leave, turns, refused } = watched();
  for (const name of ['a', 'b', 'c']) enter('stranger', name);
  line.refuseAll('KEYCELL_SEALED');
  await settled();
  expect(refused).toEqual(['KEYCELL_SEALED', 'KEYCELL_SEALED']);
  await leave();
  enter('stranger', 'd');
  await settled();
  expect(turns).toEqual(['a', 'd']);
});

test('whatever comes: as many inside as there are threads, everybody who stays gets a turn, nothing is left', async () => {
  const caller = fc.constantFrom<Caller>(...KNOWN, 'stranger');
  const enter = fc.record({ caller, name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g') });
  const steps = fc.array(fc.oneof(enter, fc.constant('leave' as const), fc.nat(50)), { maxLength: 150 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (threads, list) => {
      const line = new LoginLine(threads);
      const there = new Map<Place, 'waiting' | 'inside'>();
      const those = (state: 'waiting' | 'inside') =>
        [...there].filter(([, one]) => one === state).map(([place]) => place);
      const leave = (place: Place | undefined) => {
        if (place === undefined) return;
        place.leave();
        there.delete(place);
      };
      const come = (turn: Turn) => {
        try {
          const place = line.enter(turn);
          there.set(place, 'waiting');
          place.ready.then(() => there.has(place) && there.set(place, 'inside'));
        } catch (error) {
          expect((error as HsmError).code).toBe('KEYCELL_BUSY');
        }
      };
      for (const step of list) {
        if (step === 'leave') leave(those('inside')[0]);
        // Somebody who still waits gives up.
        else if (typeof step === 'number') leave(those('waiting')[step]);
        else come(step);
        await settled();
        expect(those('inside')).toHaveLength(Math.min(threads, there.size));
      }
      while (there.size > 0) {
        leave(those('inside')[0]);
        await settled();
        expect(those('inside')).toHaveLength(Math.min(threads, there.size));
      }
    }),
    { numRuns: 100 },
  );
});
