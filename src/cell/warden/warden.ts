/** The warden: what must be one. Custody of the master key, logins, revocations, leases, the control state, the count of the log. */
import { randomUUID } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { Refusal } from '../../errors.ts';
import type { Board } from '../../wire/board.ts';
import { FormatError, toHex } from '../../wire/fields.ts';
import type { UserRevocation } from '../../wire/lease.ts';
import { decodeRecordHeader, RECORD_KIND, RECORD_KIND_OFFSET } from '../../wire/record.ts';
import type { Ticket } from '../../wire/ticket.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import { entryIsAuthentic, makeEntry } from '../entry.ts';
import { type Given, Transfer } from '../provision.ts';
import { Random } from '../random.ts';
import { Records } from '../records.ts';
import { Vault } from '../vault.ts';
import { WardenClock } from './clock.ts';
import { Control, Digest } from './control.ts';
import { EntryCount } from './count.ts';
import { Custody } from './custody.ts';
import { FailedLogins, WRONG_PASSPHRASES } from './failed-logins.ts';
import { Passwords } from './passwords.ts';
import type { LockoutPolicy, SecretRef, WardenCall, WardenCalls } from './protocol.ts';
import type { Overflow } from './revocations.ts';
import { Sessions } from './sessions.ts';
import { type OpenUser, Users } from './users.ts';

type Handlers = {
  readonly [C in WardenCall]: (
    ask: WardenCalls[C]['ask'],
    entries: string[],
  ) => WardenCalls[C]['answer'] | Promise<WardenCalls[C]['answer']>;
};

const LEASE_INTERVAL = 1000;
const FIRST_EPOCH = 1;
const SALT_SIZE = 32;
/** Places that admins' wrong passphrases are counted at. */
const CUSTODIANS = 1024;

/** What a change of the store means for users. */
interface UserChange {
  readonly users: readonly string[];
  readonly revocations: readonly UserRevocation[];
  /** Names that somebody vouches for by it: by a new password, or a lock that ends. */
  readonly vouched: readonly string[];
  /** So many admins more can log in after it, or fewer. */
  readonly admins: number;
}
const NO_CHANGE: UserChange = { users: [], revocations: [], vouched: [], admins: 0 };

/** Somebody types a password: under which name, and whose record that is, if anybody's. */
interface Attempt {
  readonly name: string;
  readonly user: OpenUser | undefined;
  readonly record: Uint8Array | null;
  readonly password: SecretRef;
}

/** How long a removal or lock that was allowed may take to reach the disk: one that never came takes nobody's place. */
const LEAVING_MS = 30_000;

export class Warden implements Handlers {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #board: Board;
  readonly #random: Random;
  readonly #vault: Vault;
  readonly #records: Records;
  readonly #passwords: Passwords;
  readonly #custody: Custody;
  readonly #users: Users;
  readonly #clock: WardenClock;
  readonly #failed: FailedLogins;
  /** Of admins who gave the right password besides. */
  readonly #wrongPassphrases: FailedLogins;
  /** Of all other names together: a count for each would buy more guesses with each name. */
  readonly #othersPassphrases: FailedLogins;
  readonly #sessions: Sessions;
  readonly #control: Control;
  readonly #count = new EntryCount();
  readonly #name = `warden-${randomUUID().slice(0, 8)}`;
  #entries = 0;
  /** Entries that the log has at least at the unseal, by the control record. */
  #logBegins = 0;
  #scan = new Digest();
  /** The users of the change that was proposed last, and what it revokes once it is on the disk. */
  #change: UserChange = NO_CHANGE;
  /** Admins whose removal or lock was allowed, and when (monotonic), until it is known whether the disk has it. */
  readonly #leaving = new Map<string, number>();
  #ticking: NodeJS.Timeout | undefined;

  constructor(
    core: Core,
    work: Arena,
    board: Board,
    secrets: SharedArrayBuffer,
    lockout: LockoutPolicy,
    sessionQuota: number,
    clock = new WardenClock(),
  ) {
    this.#core = core;
    this.#work = work;
    this.#board = board;
    this.#random = new Random(core, work, `${this.#name}/${process.pid}`);
    this.#vault = new Vault(core, work);
    this.#records = new Records(core, work, this.#vault, this.#random);
    this.#passwords = new Passwords(core, work, secrets);
    this.#custody = new Custody(core, work, this.#vault, this.#random, this.#passwords);
    this.#users = new Users(core, work, this.#random, this.#records, this.#passwords);
    this.#clock = clock;
    this.#failed = new FailedLogins(lockout, this.#random.bytes(SALT_SIZE));
    this.#wrongPassphrases = new FailedLogins(WRONG_PASSPHRASES, this.#random.bytes(SALT_SIZE), CUSTODIANS);
    this.#othersPassphrases = new FailedLogins(WRONG_PASSPHRASES, this.#random.bytes(SALT_SIZE), 1);
    this.#sessions = new Sessions(core, work, this.#vault, this.#random, clock, sessionQuota);
    this.#control = new Control(core, work, this.#vault, this.#records);
  }

  /** Zero the secrets that were handed over with a call, whether it used them or not. */
  forgetSecrets(refs: readonly SecretRef[]): void {
    this.#passwords.wipe(refs);
  }

  // A HSM begins, or is opened again

  async initialize({ passphrase, admin, log2N }: WardenCalls['initialize']['ask'], entries: string[]) {
    this.#begin();
    try {
      const { hsmId, epoch } = this.#vault.identity;
      const keyslot = await this.#custody.sealSlot(passphrase, hsmId, epoch, log2N);
      const user = await this.#users.make(admin.name, 'admin', admin.password, this.#clock.now());
      entries.push(this.#entry('initialize', { hsm: hsmId, admin: admin.name }));
      this.#tick();
      return { keyslot, user };
    } catch (error) {
      this.#lock();
      throw error;
    }
  }

  initializeEphemeral(_: WardenCalls['initializeEphemeral']['ask'], entries: string[]) {
    this.#begin();
    entries.push(this.#entry('initialize', { hsm: this.#vault.identity.hsmId, ephemeral: true }));
    this.#tick();
    return { ticket: this.#sessions.open(this.#random.id(), 1, 'crypto-user') };
  }

  #begin(): void {
    this.#custody.make();
    this.#vault.unlock({ hsmId: this.#random.id(), epoch: FIRST_EPOCH, incarnation: 1, boot: this.#random.id() });
    this.#sessions.begin();
    this.#control.begin(this.#clock.now());
    this.#change = NO_CHANGE;
    this.#leaving.clear();
    this.#count.begin(0);
  }

  async unseal({ passphrase, keyslot, control, givenUp }: WardenCalls['unseal']['ask'], entries: string[]) {
    try {
      const { hsmId, epoch } = await this.#custody.openSlot(passphrase, keyslot);
      const boot = this.#random.id();
      this.#vault.unlock({ hsmId, epoch, incarnation: 1, boot });
      const state = this.#control.read(control);
      const remembered = { seq: state.logSequence, hash: toHex(state.logHash) };
      this.#logBegins = remembered.seq;
      if (givenUp !== undefined) {
        if (givenUp.seq !== remembered.seq || givenUp.hash !== remembered.hash) {
          throw new Refusal('KEYCELL_AUDIT_CORRUPT');
        }
        this.#logBegins = 0;
      }
      // Tickets name the incarnation, and revocations die with a boot: so do the tickets.
      this.#vault.unlock({ hsmId, epoch, incarnation: state.incarnation + 1, boot });
      this.#control.resume(state);
      this.#sessions.begin();
      this.#change = NO_CHANGE;
      this.#leaving.clear();
      if (givenUp !== undefined)
        entries.push(this.#entry('log-given-up', { entries: givenUp.seq, head: givenUp.hash }));
      return { hsmId };
    } catch (error) {
      this.#lock();
      throw error;
    }
  }

  async checkPassphrase({ passphrase, keyslot }: WardenCalls['checkPassphrase']['ask'], entries: string[]) {
    this.#mustBeOpen();
    try {
      await this.#custody.checkSlot(passphrase, keyslot);
      return {};
    } catch (error) {
      if (this.#vault.open) entries.push(this.#entry('passphrase-refused', {}));
      throw error;
    }
  }

  scan({ records, first }: WardenCalls['scan']['ask']) {
    this.#mustBeOpen();
    if (first) this.#scan = new Digest();
    const authentic = records.map((record) => {
      const id = this.#idOf(record);
      if (id === undefined || !this.#authentic(record)) return null;
      this.#scan.add(this.#control.term(record));
      return id;
    });
    return { authentic };
  }

  #idOf(record: Uint8Array): string | undefined {
    try {
      const { kind, id } = decodeRecordHeader(record);
      return kind === RECORD_KIND.key || kind === RECORD_KIND.user ? id : undefined;
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  #authentic(record: Uint8Array): boolean {
    const mark = this.#work.mark();
    const at = this.#work.take(record.length);
    this.#core.bytes.set(record, at);
    const secret = this.#work.take(512);
    try {
      this.#records.open(at, record.length, secret);
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    } finally {
      this.#core.bytes.fill(0, mark, this.#work.mark());
      this.#work.release(mark);
    }
  }

  compare() {
    this.#mustBeOpen();
    return { matches: this.#control.matches(this.#scan) };
  }

  scanned({ log }: WardenCalls['scanned']['ask'], entries: string[]) {
    this.#mustBeOpen();
    if (log < this.#logBegins) {
      this.#lock();
      throw new Refusal('KEYCELL_AUDIT_CORRUPT');
    }
    if (!this.#control.matches(this.#scan)) {
      this.#lock();
      throw new Refusal('KEYCELL_STORE_CORRUPT');
    }
    this.#count.begin(log);
    entries.push(this.#entry('unseal', { records: this.#scan.records, sequence: this.#control.sequence }));
    this.#tick();
    return { records: this.#scan.records };
  }

  seal(_: WardenCalls['seal']['ask'], entries: string[]) {
    if (this.#vault.open) entries.push(this.#entry('seal', {}));
    this.#lock();
    return {};
  }

  #lock(): void {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    this.#vault.lock();
    this.#work.reset();
    this.#random.restart();
  }

  // Logins

  async login({ name, user, password, custody }: WardenCalls['login']['ask'], entries: string[]) {
    const { boot } = this.#vault.identity;
    // The record was true when the login began: what has ended every session since has ended this one, too.
    const { ticketEpoch } = this.#sessions;
    const found = user === null ? undefined : this.#users.read(user);
    const attempt = { name: found?.name ?? name, user: found, record: user, password };
    if (custody !== undefined) await this.#mustBeCustodian(attempt, custody, entries);
    else {
      mustNotWait(this.#failed, attempt.name);
      await this.#mustBePassword(attempt, entries);
    }
    if (this.#vault.identity.boot !== boot) throw new Refusal('KEYCELL_SEALED');
    const { id, epoch, role } = found!;
    const ticket = this.#sessions.open(id, epoch, role, ticketEpoch);
    const { session } = this.#sessions.check(ticket);
    const missed = this.#failed.takeMissed(found!.name);
    entries.push(this.#entry('login', { user: id, name: found!.name, role, session, ...(missed > 0 && { missed }) }));
    return { ticket };
  }

  /** Whoever is locked is refused as a wrong password is: nobody learns that theirs is right. */
  async #mustBePassword(attempt: Attempt, entries: string[]): Promise<void> {
    const right = await this.#users.verify(attempt.record, attempt.password);
    this.#mustBeOpen();
    if (!right || attempt.user!.locked) throw this.#failedLogin(attempt, entries);
    this.#failed.forget(attempt.name);
  }

  /**
   * Password and passphrase, past a lock that failures made. Both are hashed and one refusal stands for all: otherwise either
   * could be guessed without the other, and without a wait. An admin's wrong passphrase makes the next ones wait only where
   * the password was right, so nobody without it keeps them out; that wait is silent, since it would tell of the password.
   */
  async #mustBeCustodian(
    attempt: Attempt,
    custody: WardenCalls['checkPassphrase']['ask'],
    entries: string[],
  ): Promise<void> {
    const { name, user, record, password } = attempt;
    const admin = user?.role === 'admin';
    if (!admin) mustNotWait(this.#othersPassphrases, name);
    const isUser = (await this.#users.verify(record, password)) && !user!.locked;
    const isCustodian = await this.#isPassphrase(custody);
    this.#mustBeOpen();
    const now = performance.now();
    const waits = admin && this.#wrongPassphrases.waits(name, now);
    if (isUser && isCustodian && !waits) {
      if (admin) this.#wrongPassphrases.forget(name);
      this.#failed.forget(name);
      return;
    }
    const guessed = isUser && !isCustodian;
    if (!admin) this.#othersPassphrases.failed(name, now);
    else if (guessed && !waits) this.#wrongPassphrases.failed(name, now);
    if (this.#failed.waits(name, now)) {
      // As without a passphrase. An entry would take the disk's time, which told that something of it is right.
      this.#failed.miss(name);
      throw new Refusal('KEYCELL_LOGIN_FAILED');
    }
    throw this.#failedLogin(attempt, entries, guessed);
  }

  async #isPassphrase({ passphrase, keyslot }: WardenCalls['checkPassphrase']['ask']): Promise<boolean> {
    try {
      await this.#custody.checkSlot(passphrase, keyslot);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'KEYCELL_PASSPHRASE_WRONG') return false;
      throw error;
    }
  }

  #failedLogin({ name, user }: Attempt, entries: string[], wrongPassphrase = false): Refusal {
    const wait = this.#failed.failed(name, performance.now());
    const missed = this.#failed.takeMissed(name);
    entries.push(
      this.#entry('login-failed', {
        ...(user !== undefined && { user: user.id }),
        ...(user?.locked && { locked: true }),
        ...(wrongPassphrase && { passphrase: 'wrong' }),
        ...(missed > 0 && { missed }),
        ...(wait > 0 && { wait }),
      }),
    );
    return new Refusal('KEYCELL_LOGIN_FAILED');
  }

  renew({ ticket }: WardenCalls['renew']['ask'], entries: string[]) {
    const { session } = this.#check(ticket);
    const renewed = this.#sessions.renew(ticket);
    entries.push(this.#entry('renew', { session }));
    return { ticket: renewed };
  }

  logout({ ticket }: WardenCalls['logout']['ask'], entries: string[]) {
    const ended = this.#check(ticket);
    const overflow = this.#sessions.end(ended);
    this.#post(false);
    entries.push(this.#entry('logout', { session: ended.session }), ...this.#overflowed([overflow]));
    return {};
  }

  authorize({ ticket, role }: WardenCalls['authorize']['ask']) {
    if (this.#check(ticket).role !== role) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    return {};
  }

  #check(ticket: Uint8Array): Ticket {
    this.#mustBeOpen();
    return this.#sessions.check(ticket);
  }

  #mustBeOpen(): void {
    if (!this.#vault.open) throw new Refusal('KEYCELL_SEALED');
  }

  // Users

  async createUser({ ticket, name, role, password }: WardenCalls['createUser']['ask'], entries: string[]) {
    this.#admin(ticket);
    const user = await this.#users.make(name, role, password, this.#clock.now());
    // scrypt took a while: the caller may have lost the right meanwhile.
    const admin = this.#admin(ticket);
    entries.push(this.#entry('user-create', { caller: admin.user, user: this.#users.read(user).id, name, role }));
    return { user };
  }

  removeUser({ ticket, user }: WardenCalls['removeUser']['ask'], entries: string[]) {
    const admin = this.#admin(ticket);
    const leaving = this.#users.read(user);
    this.#mustNotBeLast(leaving);
    const { id, name } = leaving;
    entries.push(this.#entry('user-remove', { caller: admin.user, user: id, name }));
    return {};
  }

  lockUser({ ticket, user, locked }: WardenCalls['lockUser']['ask'], entries: string[]) {
    const admin = this.#admin(ticket);
    const before = this.#users.read(user);
    const { id, name } = before;
    if (locked) this.#mustNotBeLast(before);
    const changed = this.#users.relock(user, locked);
    entries.push(this.#entry(locked ? 'user-lock' : 'user-unlock', { caller: admin.user, user: id, name }));
    return { user: changed };
  }

  /** Without an admin who can log in, users could be managed by nobody ever again. */
  #mustNotBeLast({ id, role, locked }: OpenUser): void {
    if (role !== 'admin' || locked) return;
    const now = this.#clock.monotonic();
    for (const [each, since] of this.#leaving) if (now - since > LEAVING_MS) this.#leaving.delete(each);
    const others = this.#control.admins - this.#leaving.size - (this.#leaving.has(id) ? 0 : 1);
    if (others < 1) throw lastAdmin();
    this.#leaving.set(id, now);
  }

  async setPassword({ ticket, user, password, oldPassword }: WardenCalls['setPassword']['ask'], entries: string[]) {
    const caller = this.#check(ticket);
    const before = this.#users.read(user);
    const own = caller.user === before.id;
    if (caller.role !== 'admin' && !own) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    if (own && oldPassword === undefined) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'oldPassword');
    if (oldPassword !== undefined) {
      // Whoever holds a session guesses no faster than whoever logs in.
      mustNotWait(this.#failed, before.name);
      await this.#mustBePassword({ name: before.name, user: before, record: user, password: oldPassword }, entries);
    }
    const changed = await this.#users.change(before, password);
    // Hashing took a while: the caller may have lost the right meanwhile.
    this.#check(ticket);
    entries.push(this.#entry('password', { caller: caller.user, user: before.id }));
    return { user: changed };
  }

  #admin(ticket: Uint8Array): Ticket {
    const caller = this.#check(ticket);
    if (caller.role !== 'admin') throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    return caller;
  }

  // State and evidence

  commit({ added, removed, log }: WardenCalls['commit']['ask']) {
    this.#mustBeOpen();
    const change = this.#userChange(added, removed);
    if (change.admins < 0 && this.#control.admins + change.admins < 1) throw lastAdmin();
    const control = this.#control.propose(added, removed, change.admins, log, change.revocations.length > 0);
    this.#change = change;
    return { control };
  }

  /**
   * What is in force follows the disk: revocations come of a change of user records, once that is written, and failed logins
   * are forgotten by it.
   */
  settle({ outcome }: WardenCalls['settle']['ask'], entries: string[]) {
    this.#mustBeOpen();
    const { users, revocations, vouched } = this.#change;
    if (outcome === 'unknown') {
      entries.push(...this.#overflowed([this.#sessions.hold(revocations)]));
      if (revocations.length > 0) this.#post(false);
      return {};
    }
    this.#change = NO_CHANGE;
    this.#control.settle(outcome === 'written');
    for (const id of users) this.#leaving.delete(id);
    this.#sessions.hold([]);
    if (outcome === 'written') {
      const overflows = this.#sessions.endUsers(revocations);
      entries.push(...this.#overflowed(overflows));
      for (const name of vouched) this.#failed.forget(name);
    } else if (users.length > 0) {
      // The log tells already what was going to be changed.
      entries.push(this.#entry('not-written', { users }));
    }
    if (revocations.length > 0) this.#post(false);
    return {};
  }

  /** A user who is removed, or has a new epoch, has no tickets of the old one. */
  #userChange(added: readonly Uint8Array[], removed: readonly Uint8Array[]): UserChange {
    const [after, before] = [this.#usersIn(added), this.#usersIn(removed)];
    const epochs = new Map(after.map(({ id, epoch }) => [id, epoch]));
    const revocations = before.flatMap(({ id, epoch }): UserRevocation[] => {
      const next = epochs.get(id) ?? epoch + 1;
      return next > epoch ? [{ user: id, epoch: next, before: 0 }] : [];
    });
    const users = new Set([...after, ...before].map(({ id }) => id));
    // A record is changed by a new password and by a lock alone: whatever leaves its user unlocked vouches for them.
    const changed = new Set(before.map(({ id }) => id));
    const vouched = after.filter(({ id, locked }) => changed.has(id) && !locked).map(({ name }) => name);
    const admins = after.filter(isUnlockedAdmin).length - before.filter(isUnlockedAdmin).length;
    return { users: [...users], revocations, vouched, admins };
  }

  #usersIn(records: readonly Uint8Array[]): OpenUser[] {
    return records
      .filter((record) => record[RECORD_KIND_OFFSET] === RECORD_KIND.user)
      .map((record) => this.#users.read(record));
  }

  #overflowed(overflows: readonly Overflow[]): string[] {
    return overflows.flatMap((overflow) => (overflow === undefined ? [] : [this.#entry('sessions-ended', overflow)]));
  }

  checkEntries({ bodies }: WardenCalls['checkEntries']['ask']) {
    this.#mustBeOpen();
    const forged = bodies.filter((body) => !entryIsAuthentic(this.#core, this.#work, this.#vault, body)).length;
    return { forged };
  }

  hasher({ port }: WardenCalls['hasher']['ask']) {
    this.#passwords.attach(port);
    return {};
  }

  watch({ counter }: WardenCalls['watch']['ask']) {
    this.#count.watch(counter);
    return {};
  }

  lost({ cell, entries: missing }: WardenCalls['lost']['ask'], entries: string[]) {
    this.#count.add(-missing);
    if (this.#vault.open) entries.push(this.#entry('cell-lost', { cell, missing }));
    return {};
  }

  /** A body for the log, counted here. */
  #entry(event: string, fields: Readonly<Record<string, unknown>>): string {
    this.#entries++;
    this.#count.add(1);
    return makeEntry(this.#core, this.#work, this.#vault, {
      at: this.#clock.now(),
      by: this.#name,
      n: this.#entries,
      event,
      ...fields,
    });
  }

  #tick(): void {
    this.#post(true);
    this.#ticking = setInterval(() => {
      if (this.#count.tick(this.#board.entries())) this.#post(true);
    }, LEASE_INTERVAL);
  }

  /** Tell the cells. Only the tick extends their lease, once it has seen the log: no number of logouts does. */
  #post(extend: boolean): void {
    this.#board.postLease(this.#sessions.lease(this.#control.sequence, extend));
  }

  // Other threads

  provision({ port }: WardenCalls['provision']['ask']) {
    if (!this.#vault.open) port.close();
    this.#mustBeOpen();
    port.once('message', (point: Uint8Array) => {
      const transfer = new Transfer(this.#core, this.#work, this.#vault, this.#random);
      try {
        port.postMessage(transfer.give(point));
      } catch {
        // Sealed meanwhile, or no point of the curve: whoever asked gets nothing.
        port.close();
      } finally {
        transfer.end();
      }
    });
    return {};
  }

  async adopt({ port, control, lease, log }: WardenCalls['adopt']['ask'], entries: string[]) {
    let told: boolean;
    try {
      await this.#take(port);
      const state = this.#control.read(control);
      this.#control.resume(state);
      this.#change = NO_CHANGE;
      told = this.#sessions.resume(lease).controlSequence >= state.revokedAt;
    } catch (error) {
      this.#lock();
      throw error;
    }
    this.#count.begin(log);
    entries.push(this.#entry('warden-replaced', {}));
    // The last warden died before it told the cells whose sessions a change on the disk has ended: then all end.
    if (!told) entries.push(...this.#overflowed([this.#sessions.endAll()]));
    this.#tick();
    return {};
  }

  async #take(port: MessagePort): Promise<void> {
    const transfer = new Transfer(this.#core, this.#work, this.#vault, this.#random);
    try {
      const given = new Promise<Given>((resolve, reject) => {
        port.once('message', resolve);
        // The cell at the other end died.
        port.once('close', () => reject(new Refusal('KEYCELL_CELL_LOST')));
      });
      port.postMessage(transfer.point);
      transfer.take(await given);
    } finally {
      transfer.end();
      port.close();
    }
  }
}

/** Before anything is hashed: what a flood of one name costs then is next to nothing. Throws LOGIN_LOCKED. */
function mustNotWait(failed: FailedLogins, name: string): void {
  if (!failed.waits(name, performance.now())) return;
  failed.miss(name);
  throw new Refusal('KEYCELL_LOGIN_LOCKED');
}

const isUnlockedAdmin = ({ role, locked }: OpenUser): boolean => role === 'admin' && !locked;
const lastAdmin = (): Refusal => new Refusal('KEYCELL_PERMISSION_DENIED', 'lastAdmin');
