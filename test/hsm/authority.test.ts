/** Authority and time: what warden and cells take for good, whatever the clocks do and however many log out. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WardenClock } from '../../dist/cell/warden/clock.js';
import { Revocations } from '../../dist/cell/warden/revocations.js';
import { ENDED_SESSIONS_MAX, REVOKED_USERS_MAX } from '../../dist/wire/lease.js';
import { WardenHere } from './support/warden.ts';

const REVOKED = 'KEYCELL_SESSION_REVOKED';
const EXPIRED = 'KEYCELL_SESSION_EXPIRED';
const MINUTE = 60_000;
const idOf = (n: number): string => n.toString(16).padStart(32, '0');
const ADMIN = idOf(0xad);
const admin = (here: WardenHere, session = idOf(0xada)) => here.mint({ user: ADMIN, session, role: 'admin' });

describe('the wall clock', () => {
  test('16 minutes forward and back: a removed user’s ticket, and one that was logged out, work no more', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const [alice, bob] = [await here.user(officer, 'alice'), await here.user(officer, 'bob')];
    const [hers, his] = [await here.login(alice), await here.login(bob)];
    expect([here.cell(hers), here.cell(his)]).toEqual(['good', 'good']);
    await here.ask('removeUser', { ticket: officer, user: alice });
    await here.change([], [alice], 'written');
    await here.ask('logout', { ticket: his });
    expect([here.cell(hers), here.cell(his)]).toEqual([REVOKED, REVOKED]);

    here.clocks.wall += 16 * MINUTE;
    here.tick();
    here.clocks.wall -= 16 * MINUTE;
    // Until the tickets would have ended anyhow, and well beyond.
    for (let second = 0; second < 40 * 60; second++) {
      here.tick();
      for (const ticket of [hers, his]) {
        if (![REVOKED, EXPIRED].includes(here.cell(ticket))) throw new Error(`good again after ${second} s`);
      }
    }
    for (const ticket of [hers, his]) expect([REVOKED, EXPIRED]).toContain(await here.warden(ticket));
  });

  test.each([
    ['back by an hour', -60 * MINUTE],
    ['back to 1970', Number.NEGATIVE_INFINITY],
    ['as it is', 0],
  ])('set %s: a ticket ends after fifteen minutes all the same, for warden and cells', async (_, by) => {
    const here = WardenHere.make();
    const ticket = here.mint({ user: idOf(1), session: idOf(2) });
    here.tick();
    here.clocks.wall = Math.max(0, here.clocks.wall + by);
    here.tick(15 * 60 - 2);
    expect(here.cell(ticket)).toBe('good');
    here.tick();
    expect(here.cell(ticket)).toBe(EXPIRED);
    expect(await here.warden(ticket)).toBe(EXPIRED);
  });

  test('a session is renewed for twelve hours, and no longer', async () => {
    const here = WardenHere.make();
    let ticket = here.mint({ user: idOf(1), session: idOf(2) });
    let minutes = 0;
    for (; minutes < 13 * 60; minutes += 10) {
      try {
        ticket = (await here.ask('renew', { ticket })).ticket;
      } catch (error) {
        expect(error).toMatchObject({ code: EXPIRED });
        break;
      }
      // Somebody sets it back each time.
      here.clocks.wall -= 10 * MINUTE;
      here.tick(600);
    }
    expect(minutes).toBe(12 * 60);
  });

  test('the lease’s time never goes back within a boot, and its end is the monotonic clock’s', () => {
    const here = WardenHere.make();
    const first = here.lease;
    here.clocks.wall += 5 * MINUTE;
    here.tick();
    const leapt = here.lease;
    expect(leapt.time - first.time).toBe(5 * MINUTE + 1000);
    here.clocks.wall -= 30 * MINUTE;
    here.tick();
    expect(here.lease.time - leapt.time).toBe(1000);
    expect(here.lease.goodUntil - first.goodUntil).toBe(2000);
    // The process stood still for five seconds: the warden's last word is over, whatever the wall clock says.
    const ticket = here.mint({ user: idOf(1), session: idOf(2) });
    here.clocks.monotonic += 5000;
    expect(here.cell(ticket)).toBe('good');
    here.clocks.monotonic += 1;
    expect(here.cell(ticket)).toBe('KEYCELL_LEASE_EXPIRED');
    here.post();
    expect(here.cell(ticket)).toBe('good');
  });

  test('any order of clocks, logouts and removals: what was ended stays ended, and nothing outlives its time', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ set: fc.integer({ min: -100 * MINUTE, max: 20 * MINUTE }) }),
        fc.record({ pass: fc.integer({ min: 1, max: 8 }) }),
        fc.record({ end: fc.nat(5) }),
        fc.record({ login: fc.nat(5) }),
      ),
      { minLength: 5, maxLength: 40 },
    );
    return fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const here = WardenHere.make();
        const sessions: { ticket: Uint8Array; ended: boolean; from: number }[] = [];
        for (const [n, step] of all.entries()) {
          if ('set' in step) here.clocks.wall += step.set;
          else if ('pass' in step) here.tick(60 * step.pass);
          else if ('login' in step) {
            here.tick();
            const ticket = here.mint({ user: idOf(step.login), session: idOf(1000 + n) });
            sessions.push({ ticket, ended: false, from: here.clocks.monotonic });
          } else {
            const one = sessions[step.end];
            if (one === undefined || (await here.code('logout', { ticket: one.ticket })) !== 'a result') continue;
            one.ended = true;
          }
          here.tick();
          for (const { ticket, ended, from } of sessions) {
            const over = ended || here.clocks.monotonic - from >= 15 * MINUTE;
            if (over && here.cell(ticket) === 'good') throw new Error('a ticket works that must not');
          }
        }
      }),
      { numRuns: 40, seed: 13 },
    );
  });
});

/** The next logout finds no room anywhere. */
function fillAllRoom(): void {
  const full = vi.spyOn(Revocations.prototype, 'endSession');
  onTestFinished(() => full.mockRestore());
  full.mockImplementationOnce(function (this: Revocations) {
    return this.endAll();
  });
}

describe('room for revocations', () => {
  test('beyond it, logouts end the sessions of whoever logs out, or of who has logged out more', async () => {
    const here = WardenHere.make();
    const clock = () =>
      new WardenClock(
        () => here.clocks.wall,
        () => here.clocks.monotonic,
      );
    const some = here.read(here.mint({ user: idOf(0), session: idOf(0) }));
    const ticketOf = (user: number, session: number) => ({ ...some, user: idOf(user), session: idOf(session) });

    // Three each, as 683 users have who act together: the first of them has an open session.
    const revocations = new Revocations(clock());
    for (let n = 0; n < ENDED_SESSIONS_MAX; n++) {
      expect(revocations.endSession(ticketOf(1 + Math.floor(n / 3), n))).toBeUndefined();
    }
    const open = ticketOf(1, 100_000);
    expect(revocations.endSession(ticketOf(5, 100_001))).toEqual({ user: idOf(5) });
    expect(revocations.covers(ticketOf(5, 100_002))).toBe(true);
    expect(revocations.covers(open)).toBe(false);
    // There is room again for three. Who comes new then has logged out less than others.
    for (const session of [1, 2, 3]) expect(revocations.endSession(ticketOf(6, 200_000 + session))).toBeUndefined();
    expect(revocations.endSession(ticketOf(9999, 300_000))).toEqual({ user: idOf(6) });
    expect(revocations.covers(open)).toBe(false);
    expect(revocations.covers(ticketOf(9999, 300_000))).toBe(true);
    expect(revocations.covers(ticketOf(9999, 300_001))).toBe(false);

    // One each, then one more of somebody: theirs alone end.
    const ones = new Revocations(clock());
    for (let n = 0; n < ENDED_SESSIONS_MAX; n++) expect(ones.endSession(ticketOf(1 + n, n))).toBeUndefined();
    for (const user of [7, 8, 9999]) {
      expect(ones.endSession(ticketOf(user, 100_000 + user))).toEqual({ user: idOf(user) });
      expect(ones.covers(ticketOf(user, 100_000 + user))).toBe(true);
      if (user !== 9999) expect(ones.endSession(ticketOf(20_000 + user, 200_000 + user))).toBeUndefined();
    }
    expect(ones.list()).toMatchObject({ ticketEpoch: 1 });
    expect(ones.covers(open)).toBe(false);

    // Whose an ended session was, a new warden does not know.
    const resumed = new Revocations(clock());
    const sessions = Array.from({ length: ENDED_SESSIONS_MAX }, (_, n) => idOf(n));
    resumed.resume({ ...here.lease, users: [], sessions });
    expect(resumed.endSession(ticketOf(3, 100_000))).toEqual({ user: idOf(3) });
    expect(resumed.covers(open)).toBe(false);

    // Where the room of users is used up, too, all sessions end.
    const full = new Revocations(clock());
    for (let n = 0; n < REVOKED_USERS_MAX; n++) full.endUser({ user: idOf(500_000 + n), epoch: 2, before: 0 });
    for (let n = 0; n < ENDED_SESSIONS_MAX; n++) expect(full.endSession(ticketOf(1 + n, n))).toBeUndefined();
    expect(full.endSession(ticketOf(9999, 100_000))).toEqual({ ticketEpoch: 2 });
    for (const ticket of [open, ticketOf(9999, 100_000)]) expect(full.covers(ticket)).toBe(true);
  });

  test('2 048 logins and logouts of one user: logout, removal and password change go on, old tickets don’t', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const [bob, carol] = [await here.user(officer, 'bob'), await here.user(officer, 'carol')];
    const [his, hers] = [await here.login(bob), await here.login(carol)];
    const other = here.mint({ user: idOf(7), session: idOf(8) });
    const flood: Uint8Array[] = [];
    for (let n = 0; n < 2 * ENDED_SESSIONS_MAX + 10; n++) {
      const ticket = here.mint({ user: idOf(1), session: idOf(10_000 + n) });
      flood.push(ticket);
      await here.ask('logout', { ticket });
    }
    expect(await here.code('logout', { ticket: other })).toBe('a result');
    expect(await here.code('removeUser', { ticket: officer, user: bob })).toBe('a result');
    await here.change([], [bob], 'written');
    const change = { ticket: officer, user: carol, password: here.password };
    const { user: changed } = await here.ask('setPassword', change);
    await here.change([changed], [carol], 'written');
    for (const ticket of [...flood, his, hers, other]) if (here.cell(ticket) !== REVOKED) throw new Error('still good');
    for (const ticket of [flood[0]!, flood.at(-1)!, his, hers]) expect(await here.warden(ticket)).toBe(REVOKED);
    // Nobody else's sessions ended, and who flooded may log in again.
    expect(here.cell(officer)).toBe('good');
    expect(here.events.filter((event) => event === 'sessions-ended')).toHaveLength(2);
    expect(here.lease.ticketEpoch).toBe(1);
    here.tick();
    expect(here.cell(here.mint({ user: idOf(1), session: idOf(9) }))).toBe('good');
    expect(here.cell(await here.login(changed))).toBe('good');
  });

  test('logouts of ever other users: whoever finds no room ends their own sessions', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const tickets = Array.from({ length: ENDED_SESSIONS_MAX + 1 }, (_, n) =>
      here.mint({ user: idOf(10_000 + n), session: idOf(20_000 + n) }),
    );
    const beside = here.mint({ user: idOf(10_000 + ENDED_SESSIONS_MAX), session: idOf(7) });
    for (const ticket of tickets.slice(0, -1)) await here.ask('logout', { ticket });
    expect(here.lease).toMatchObject({ ticketEpoch: 1, users: [] });
    await here.ask('logout', { ticket: tickets.at(-1)! });
    expect(here.lease).toMatchObject({ ticketEpoch: 1, users: [{ user: here.read(beside).user }] });
    for (const ticket of [beside, ...tickets]) expect(here.cell(ticket)).toBe(REVOKED);
    expect(here.cell(officer)).toBe('good');
    expect(here.events.filter((event) => event === 'sessions-ended')).toHaveLength(1);
  });

  test('where there is room for nobody the ticket epoch rises, and every session there was has ended', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const ticket = here.mint({ user: idOf(1), session: idOf(2) });
    fillAllRoom();
    await here.ask('logout', { ticket });
    expect(here.lease).toMatchObject({ ticketEpoch: 2, users: [], sessions: [] });
    for (const one of [officer, ticket]) expect(here.cell(one)).toBe(REVOKED);
    expect(await here.warden(officer)).toBe(REVOKED);
    expect(here.events.at(-1)).toBe('sessions-ended');
    const again = admin(here, idOf(3));
    expect(here.cell(again)).toBe('good');
    // A renewed ticket is of the epoch, too.
    expect(here.cell((await here.ask('renew', { ticket: again })).ticket)).toBe('good');
  });

  test('a user’s entry subsumes those of their sessions', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    const tickets = [await here.login(bob), await here.login(bob), await here.login(bob)];
    for (const ticket of tickets.slice(1)) await here.ask('logout', { ticket });
    expect(here.lease).toMatchObject({ users: [], sessions: [{}, {}].map(() => expect.any(String)) });
    await here.change([], [bob], 'written');
    expect(here.lease).toMatchObject({ sessions: [], users: [{ user: here.read(tickets[0]!).user, epoch: 2 }] });
    for (const ticket of tickets) expect(here.cell(ticket)).toBe(REVOKED);
    here.tick(15 * 60);
    expect(here.lease).toMatchObject({ users: [], sessions: [] });
  });

  test('logouts never use up the room of users, nor users that of logouts', async () => {
    const revocations = new Revocations(new WardenClock());
    for (let n = 0; n < REVOKED_USERS_MAX; n++) {
      expect(revocations.endUser({ user: idOf(n), epoch: 2, before: 0 })).toBeUndefined();
    }
    const here = WardenHere.make();
    const ticketOf = (n: number, user = 900_000) => here.read(here.mint({ user: idOf(user), session: idOf(n) }));
    for (let n = 0; n < ENDED_SESSIONS_MAX; n++) expect(revocations.endSession(ticketOf(n))).toBeUndefined();
    expect(revocations.list()).toMatchObject({ ticketEpoch: 1 });
    // An entry that is there already is raised in its place.
    expect(revocations.endUser({ user: idOf(5), epoch: 7, before: 0 })).toBeUndefined();
    // One too many of either: everything ends, and what was asked for, too, whoever logs in by an old record meanwhile.
    expect(revocations.endUser({ user: idOf(5000), epoch: 2, before: 0 })).toEqual({ ticketEpoch: 2 });
    for (const n of [0, 7, 5000]) expect(revocations.covers(ticketOf(70_000, n))).toBe(true);
    const stale = { ...ticketOf(70_001, 5000), ticketEpoch: 2 };
    expect(revocations.covers(stale)).toBe(true);
    expect(revocations.covers({ ...stale, userEpoch: 2 })).toBe(false);
  });

  test('a login that was under way when all sessions ended is none', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    const late = here.login(bob);
    fillAllRoom();
    await here.ask('logout', { ticket: here.mint({ user: idOf(1), session: idOf(2) }) });
    expect(here.lease.ticketEpoch).toBe(2);
    await expect(late).rejects.toMatchObject({ code: REVOKED });
    expect(here.cell(await here.login(bob))).toBe('good');
  });
});

describe('a change of users', () => {
  test('revokes once it is on the disk, and not where it is refused', async () => {
    const here = WardenHere.make();
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    const ticket = await here.login(bob);
    const before = here.lease;
    await here.ask('removeUser', { ticket: officer, user: bob });
    await here.ask('commit', { added: [], removed: [bob], log: { seq: 0, hash: '0'.repeat(64) } });
    expect(here.lease).toEqual(before);
    expect(here.cell(ticket)).toBe('good');
    // Until this is settled no other is proposed.
    expect(await here.code('commit', { added: [], removed: [], log: { seq: 0, hash: '0'.repeat(64) } })).toBe(
      'KEYCELL_STORE_UNAVAILABLE',
    );
    await here.ask('settle', { outcome: 'refused' });
    expect(here.cell(ticket)).toBe('good');
    expect(here.events.at(-1)).toBe('not-written');
    here.tick(20 * 60);
    const later = await here.login(bob);
    await here.change([], [bob], 'written');
    expect(here.cell(later)).toBe(REVOKED);
    expect(await here.warden(later)).toBe(REVOKED);
  });

  test.each(['written', 'refused'] as const)('while nobody knows, its user does nothing; then: %s', async (outcome) => {
    const here = WardenHere.make();
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    const ticket = await here.login(bob);
    await here.ask('setPassword', { ticket: officer, user: bob, password: here.password }).then(async ({ user }) => {
      await here.change([user], [bob], 'unknown');
    });
    for (let second = 0; second < 300; second++) {
      here.tick();
      expect(here.cell(ticket)).toBe(REVOKED);
    }
    expect(await here.code('login', { name: '', user: bob, password: here.password })).toBe(REVOKED);
    expect(here.cell(officer)).toBe('good');
    await here.ask('settle', { outcome });
    const good = outcome === 'refused';
    expect(here.cell(ticket)).toBe(good ? 'good' : REVOKED);
    expect(await here.code('login', { name: '', user: bob, password: here.password })).toBe(
      good ? 'a result' : REVOKED,
    );
  });

  test.each(['setPassword', 'lockUser'] as const)('forgets failed logins once it is on the disk: %s', async (call) => {
    const hour = 60 * MINUTE;
    const here = WardenHere.make({ after: 1, delay: hour, longest: hour });
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    const vouch = async () => {
      const asked = { ticket: officer, user: bob };
      if (call === 'lockUser') return (await here.ask(call, { ...asked, locked: false })).user;
      return (await here.ask(call, { ...asked, password: here.password })).user;
    };
    expect(await here.loginCode(bob, 'wrong')).toBe('KEYCELL_LOGIN_FAILED');
    for (const outcome of ['refused', 'unknown'] as const) {
      const changed = await vouch();
      expect(await here.loginCode(bob)).toBe('KEYCELL_LOGIN_LOCKED');
      await here.change([changed], [bob], outcome);
      expect(await here.loginCode(bob)).toBe('KEYCELL_LOGIN_LOCKED');
    }
    // The store told at last that it had done it.
    await here.ask('settle', { outcome: 'written' });
    expect(await here.loginCode(bob)).not.toBe('KEYCELL_LOGIN_LOCKED');
  });

  test('that locks a user leaves their failed logins counted, and so does one that never came', async () => {
    const hour = 60 * MINUTE;
    const here = WardenHere.make({ after: 1, delay: hour, longest: hour });
    const officer = admin(here);
    const bob = await here.user(officer, 'bob');
    expect(await here.loginCode(bob, 'wrong')).toBe('KEYCELL_LOGIN_FAILED');
    const { user } = await here.ask('lockUser', { ticket: officer, user: bob, locked: true });
    await here.change([user], [bob], 'written');
    expect(await here.loginCode(user)).toBe('KEYCELL_LOGIN_LOCKED');
    const { user: unlocked } = await here.ask('lockUser', { ticket: officer, user, locked: false });
    expect(await here.loginCode(user)).toBe('KEYCELL_LOGIN_LOCKED');
    await here.change([unlocked], [user], 'written');
    expect(await here.loginCode(unlocked)).toBe('a result');
  });

  test('an admin who loses the right while scrypt runs has it no more', async () => {
    const here = WardenHere.make();
    const [first, second] = [admin(here, idOf(0xa1)), admin(here, idOf(0xa2))];
    const bob = await here.user(first, 'bob');
    const calls = [
      here.code('createUser', { ticket: second, name: 'eve', role: 'admin', password: here.password }),
      here.code('setPassword', { ticket: second, user: bob, password: here.password }),
    ];
    await here.ask('logout', { ticket: second });
    expect(await Promise.all(calls)).toEqual([REVOKED, REVOKED]);
    expect(here.events.filter((event) => event === 'user-create' || event === 'password')).toHaveLength(1);
  });
});

test('a revocation reaches the cells at once, and a log that can’t be written stops them all the same', async () => {
  const here = WardenHere.make();
  const officer = admin(here);
  here.board.postEntries(0);
  here.tick(2);
  // Nothing is logged from here on: the warden's ticks give no more leases.
  let served = 0;
  for (let second = 0; second < 12; second++) {
    here.tick();
    const ticket = here.mint({ user: idOf(1), session: idOf(10_000 + second) });
    await here.ask('logout', { ticket });
    expect(here.cell(ticket)).not.toBe('good');
    if (here.cell(officer) === 'good') served++;
  }
  expect(served).toBeLessThanOrEqual(5);
  expect(here.cell(officer)).toBe('KEYCELL_LEASE_EXPIRED');
});
