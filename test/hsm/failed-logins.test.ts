/** Failed logins by name, on a clock that the test turns. */
import { expect, test } from 'vitest';
import { FailedLogins, WRONG_PASSPHRASES } from '../../src/cell/warden/failed-logins.ts';

const POLICY = { after: 10, delay: 60_000, longest: 900_000 };
const make = () => new FailedLogins(POLICY, new Uint8Array(32).fill(7));

test('ten failures lock a name, and each further one doubles the lock, up to the longest', () => {
  const failed = make();
  const locks = [];
  let now = 0;
  for (let i = 0; i < 16; i++) {
    locks.push(failed.failed('alice', now));
    while (failed.waits('alice', now)) now += 50;
    expect(failed.waits('bob', now)).toBe(false);
  }
  const nine = Array.from({ length: 9 }, () => 0);
  expect(locks).toEqual([...nine, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000]);
});

test('from the fifth failure on the name waits a moment, twice as long each time', () => {
  const failed = make();
  const waits = [];
  let now = 0;
  for (let i = 0; i < 9; i++) {
    failed.failed('alice', now);
    const from = now;
    while (failed.waits('alice', now)) now += 50;
    waits.push(now - from);
  }
  expect(waits).toEqual([0, 0, 0, 0, 100, 200, 400, 800, 1600]);
});

test('wrong passphrases bring short waits alone', () => {
  const failed = new FailedLogins(WRONG_PASSPHRASES, new Uint8Array(32), 16);
  const waits = [];
  let now = 0;
  for (let i = 0; i < 10; i++) {
    failed.failed('officer', now);
    const from = now;
    while (failed.waits('officer', now)) now += 50;
    waits.push(now - from);
  }
  expect(waits).toEqual([0, 100, 200, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  // Few places hold few names, and every name has one.
  for (let i = 0; i < 200; i++) failed.failed(`admin ${i}`, now);
  expect(failed.waits('another', now + 15_000)).toBe(false);
});

test('the count ends with a success, and with time', () => {
  const failed = make();
  for (let i = 0; i < 10; i++) failed.failed('alice', 0);
  expect(failed.waits('alice', 59_999)).toBe(true);
  failed.forget('alice');
  expect(failed.waits('alice', 0)).toBe(false);
  expect(failed.failed('alice', 0)).toBe(0);

  for (let i = 0; i < 10; i++) failed.failed('bob', 0);
  // A lock that is over is remembered for as long as the longest would last.
  expect(failed.failed('bob', 60_000 + 899_999)).toBe(120_000);
  expect(failed.failed('bob', 60_000 + 899_999 + 120_000 + 900_000)).toBe(0);
});

test('a flood of invented names drives no count out', () => {
  const failed = make();
  for (let i = 0; i < 12; i++) failed.failed('alice', 0);
  for (let i = 0; i < 50_000; i++) failed.failed(`nobody ${i}`, 0);
  expect(failed.waits('alice', 239_999)).toBe(true);
  expect(failed.waits('bob', 0)).toBe(false);
});

test('one failure is enough where the policy says so', () => {
  const strict = new FailedLogins({ after: 1, delay: 1000, longest: 1000 }, new Uint8Array(32));
  expect(strict.failed('alice', 5)).toBe(1000);
  expect(strict.waits('alice', 1004)).toBe(true);
  expect(strict.waits('alice', 1005)).toBe(false);
});
