/** The warden: what must be one. Custody of the master key, logins, revocations, leases, the control state, the count of the log. */
import { randomUUID } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { Refusal } from '../../errors.ts';
import type { Board } from '../../wire/board.ts';
import { FormatError } from '../../wire/fields.ts';
import { decodeRecordHeader, RECORD_KIND } from '../../wire/record.ts';
import type { Ticket } from '../../wire/ticket.ts';
import type { Arena } from '../arena.ts';
import type { Core } from '../core.ts';
import { entryIsAuthentic, makeEntry } from '../entry.ts';
import { type Given, Transfer } from '../provision.ts';
import { Random } from '../random.ts';
import { Records } from '../records.ts';
import { Vault } from '../vault.ts';
import { Control, Digest } from './control.ts';
import { EntryCount } from './count.ts';
import { Custody } from './custody.ts';
import { Passwords } from './passwords.ts';
import type { SecretRef, WardenCall, WardenCalls } from './protocol.ts';
import { Sessions } from './sessions.ts';
import { Users } from './users.ts';

type Handlers = {
  readonly [C in WardenCall]: (
    ask: WardenCalls[C]['ask'],
    entries: string[],
  ) => WardenCalls[C]['answer'] | Promise<WardenCalls[C]['answer']>;
};

const LEASE_INTERVAL = 1000;
const FIRST_EPOCH = 1;

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
  readonly #sessions: Sessions;
  readonly #control: Control;
  readonly #count = new EntryCount();
  readonly #name = `warden-${randomUUID().slice(0, 8)}`;
  #entries = 0;
  #scan = new Digest();
  #ticking: NodeJS.Timeout | undefined;

  constructor(core: Core, work: Arena, board: Board, secrets: SharedArrayBuffer) {
    this.#core = core;
    this.#work = work;
    this.#board = board;
    this.#random = new Random(core, work, `${this.#name}/${process.pid}`);
    this.#vault = new Vault(core, work);
    this.#records = new Records(core, work, this.#vault, this.#random);
    this.#passwords = new Passwords(core, work, secrets);
    this.#custody = new Custody(core, work, this.#vault, this.#random, this.#passwords);
    this.#users = new Users(core, work, this.#random, this.#records, this.#passwords);
    this.#sessions = new Sessions(core, work, this.#vault, this.#random);
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
      const user = await this.#users.make(admin.name, 'admin', admin.password, Date.now());
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
    return { ticket: this.#sessions.open(this.#random.id(), 1, 'crypto-user', Date.now()) };
  }

  #begin(): void {
    this.#custody.make();
    this.#vault.unlock({ hsmId: this.#random.id(), epoch: FIRST_EPOCH, incarnation: 1, boot: this.#random.id() });
    this.#control.begin(Date.now());
    this.#sessions.begin();
    this.#count.begin(0);
  }

  async unseal({ passphrase, keyslot, control }: WardenCalls['unseal']['ask']) {
    try {
      const { hsmId, epoch } = await this.#custody.openSlot(passphrase, keyslot);
      const boot = this.#random.id();
      this.#vault.unlock({ hsmId, epoch, incarnation: 1, boot });
      const state = this.#control.read(control);
      // Tickets name the incarnation, and revocations die with a boot: so do the tickets.
      this.#vault.unlock({ hsmId, epoch, incarnation: state.incarnation + 1, boot });
      this.#control.resume(state);
      this.#sessions.begin();
      return { hsmId };
    } catch (error) {
      this.#lock();
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

  async login({ user, password }: WardenCalls['login']['ask'], entries: string[]) {
    this.#mustBeOpen();
    const found = await this.#users.verify(user, password);
    this.#mustBeOpen();
    if (found === undefined) {
      entries.push(this.#entry('login-failed', user === null ? {} : { user: this.#users.read(user).id }));
      throw new Refusal('KEYCELL_LOGIN_FAILED');
    }
    const ticket = this.#sessions.open(found.id, found.epoch, found.role, Date.now());
    const { session } = this.#sessions.check(ticket, Date.now());
    entries.push(this.#entry('login', { user: found.id, name: found.name, role: found.role, session }));
    return { ticket };
  }

  renew({ ticket }: WardenCalls['renew']['ask'], entries: string[]) {
    const { session } = this.#check(ticket);
    const renewed = this.#sessions.renew(ticket, Date.now());
    entries.push(this.#entry('renew', { session }));
    return { ticket: renewed };
  }

  logout({ ticket }: WardenCalls['logout']['ask'], entries: string[]) {
    const { session } = this.#check(ticket);
    this.#sessions.revoke({ kind: 'session', id: session }, Date.now());
    this.#post();
    entries.push(this.#entry('logout', { session }));
    return {};
  }

  authorize({ ticket, role }: WardenCalls['authorize']['ask']) {
    if (this.#check(ticket).role !== role) throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    return {};
  }

  #check(ticket: Uint8Array): Ticket {
    this.#mustBeOpen();
    return this.#sessions.check(ticket, Date.now());
  }

  #mustBeOpen(): void {
    if (!this.#vault.open) throw new Refusal('KEYCELL_SEALED');
  }

  // Users

  async createUser({ ticket, name, role, password }: WardenCalls['createUser']['ask'], entries: string[]) {
    const admin = this.#admin(ticket);
    const user = await this.#users.make(name, role, password, Date.now());
    this.#mustBeOpen();
    entries.push(this.#entry('user-create', { caller: admin.user, user: this.#users.read(user).id, name, role }));
    return { user };
  }

  removeUser({ ticket, user }: WardenCalls['removeUser']['ask'], entries: string[]) {
    const admin = this.#admin(ticket);
    const { id, epoch, name } = this.#users.read(user);
    this.#sessions.revoke({ kind: 'user', id, epoch: epoch + 1 }, Date.now());
    this.#post();
    entries.push(this.#entry('user-remove', { caller: admin.user, user: id, name }));
    return {};
  }

  async setPassword({ ticket, user, password }: WardenCalls['setPassword']['ask'], entries: string[]) {
    const caller = this.#check(ticket);
    const before = this.#users.read(user);
    if (caller.role !== 'admin' && caller.user !== before.id) {
      throw new Refusal('KEYCELL_PERMISSION_DENIED', 'role');
    }
    const changed = await this.#users.change(before, password);
    this.#mustBeOpen();
    this.#sessions.revoke({ kind: 'user', id: before.id, epoch: before.epoch + 1 }, Date.now());
    this.#post();
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
    return { control: this.#control.advance(added, removed, log) };
  }

  checkEntries({ bodies }: WardenCalls['checkEntries']['ask']) {
    this.#mustBeOpen();
    const forged = bodies.filter((body) => !entryIsAuthentic(this.#core, this.#work, this.#vault, body)).length;
    return { forged };
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
      at: Date.now(),
      by: this.#name,
      n: this.#entries,
      event,
      ...fields,
    });
  }

  #tick(): void {
    this.#post();
    this.#ticking = setInterval(() => {
      if (this.#count.tick(this.#board.entries())) this.#post();
    }, LEASE_INTERVAL);
  }

  #post(): void {
    this.#board.postLease(this.#sessions.lease(this.#control.sequence, Date.now()));
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
    try {
      await this.#take(port);
      this.#control.resume(this.#control.read(control));
      this.#sessions.resume(lease, Date.now());
    } catch (error) {
      this.#lock();
      throw error;
    }
    this.#count.begin(log);
    entries.push(this.#entry('warden-replaced', {}));
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
