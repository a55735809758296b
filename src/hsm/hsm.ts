/** The HSM: its life from folder to `ready` and back, over interfaces that src/index.ts wires. */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { AuditHead, AuditLog } from '../audit/log.ts';
import type { SecretRef, WardenCall, WardenCalls } from '../cell/warden/protocol.ts';
import { busyError, errorOf, HsmError } from '../errors.ts';
import type { Store } from '../keystore/store.ts';
import type {
  CallOptions,
  CheckOptions,
  Hsm,
  HsmEvents,
  HsmState,
  HsmStats,
  InitializeOptions,
  LoginOptions,
  Password,
  Quotas,
  Session,
} from '../model/hsm.ts';
import { USER_NAME_MAX } from '../model/limits.ts';
import {
  type Answered,
  type Caller,
  type CellPool,
  type EntrySink,
  type Finish,
  type PoolEvents,
  type PoolRequest,
  type SubmitOptions,
  type WardenLink,
  WardenRefusal,
} from '../pool/pool.ts';
import type { CellRequest, CellResult } from '../wire/batch.ts';
import type { Board } from '../wire/board.ts';
import { background, keepingProcess, monotonic } from '../wire/clock.ts';
import { FormatError } from '../wire/fields.ts';
import { leaseAge, leaseTimes } from '../wire/lease.ts';
import { wipeAll } from '../wire/own.ts';
import { decodeRecordHeader } from '../wire/record.ts';
import { decodeTicket } from '../wire/ticket.ts';
import { type Cancellation, cancellationOf, NEVER_CANCELLED } from './cancellation.ts';
import { batchObserver, publish } from './channels.ts';
import { type Change, CONTROL_KEY, Commits } from './commits.ts';
import { type Engine, type UserEntry, userName } from './engine.ts';
import { checkCall, flag, invalid, nameOf, object, reading, TIMER_MAX_MS, whole } from './inputs.ts';
import { Journal } from './journal.ts';
import { entryOf, KeyIndex } from './keys.ts';
import { Lane } from './lane.ts';
import { LoginLine, type Place, type Turn } from './login-line.ts';
import { MEMBERS, read } from './members.ts';
import { takePasswords, wipedIfRefused, wipeUntaken } from './secrets.ts';
import { SessionImpl } from './session.ts';
import { StoreWatch } from './store-watch.ts';
import { infoOf, userEntryOf } from './users.ts';

export const KEYSLOT_KEY = 'slot/0';
const SCAN_CHUNK = 256;
const CHECK_CHUNK = 512;
const CLOSE_TIMEOUT = 10_000;
const WIPE_TIMEOUT = 1000;
/** Between wardens that do not start, in ms. */
const LONGEST_PAUSE = 5000;
const DEFAULT_LOG2_N = 17;
/** Calls with a passphrase that are under way: each takes a third of a second. */
const CUSTODIANS_MAX = 8;
const CUSTODIAN: Turn = { caller: 'custodian', name: '' };

/** What the HSM is made of; src/index.ts knows which. */
export interface Parts {
  readonly store: Store;
  readonly log: AuditLog;
  /** The head of the log that is given up, and that `log` is to take the place of. */
  readonly givenUp?: AuditHead | undefined;
  /** A new HSM may be made. */
  readonly create: boolean;
  readonly board: Board;
  readonly queueLimit: number;
  /** Passwords that are hashed at once. */
  readonly hashingThreads: number;
  readonly quotas: Required<Quotas>;
  startPool(sink: EntrySink, lease: () => Uint8Array, events: PoolEvents): CellPool;
  startWarden(onDeath: (error: Error, broken: boolean) => void): WardenLink;
  /** Walk the log's chain and hand over each body; throws AUDIT_CORRUPT. Gives the number of entries. */
  walkLog(onBody: (body: string) => Promise<void>): Promise<number>;
}

export class HsmImpl implements Hsm, Engine {
  readonly keys: KeyIndex;
  readonly users = new Map<string, UserEntry>();
  readonly comingUsers = new Set<string>();
  readonly wave: number;
  readonly #parts: Parts;
  readonly #line: LoginLine;
  readonly #events = new EventEmitter();
  readonly #journal: Journal;
  readonly #commits: Commits;
  readonly #storeWatch: StoreWatch;
  readonly #pool: CellPool;
  readonly #counters: SharedArrayBuffer[] = [];
  readonly #openedAt = performance.now();
  #logins = 0;
  #custodians = 0;
  #wardenRestarts = 0;
  /** Wardens that died since one was ready last. */
  #failedWardens = 0;
  /** The next one starts when it is over. */
  #wardenPause: NodeJS.Timeout | undefined;
  #warden: WardenLink;
  #state: HsmState;
  #id = '';
  /** Until an unseal has accepted it. */
  #givenUp: AuditHead | undefined;
  /** The key slot that this HSM was made or opened with. */
  #keyslot: Uint8Array | undefined;
  #closing: Promise<void> | undefined;
  /** A new warden takes over: calls wait for it. Never rejects. */
  #adopting: Promise<void> | undefined;
  /** Calls that change the state of the whole run one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts, state: HsmState, id: string) {
    this.#parts = parts;
    this.#state = state;
    this.#id = id;
    this.#givenUp = parts.givenUp;
    this.#line = new LoginLine(parts.hashingThreads);
    this.keys = new KeyIndex(parts.quotas.storedKeys);
    this.wave = Math.max(1, Math.floor(Math.min(parts.queueLimit / 4, parts.quotas.waitingRequests / 2)));
    this.#events.setMaxListeners(0);
    this.#journal = new Journal(parts.log, parts.board, {
      onUnavailable: (error) => {
        this.#emit('audit-unavailable', { error });
        if (this.#journal.isLost) this.#commits.rememberLoss().catch(() => {});
      },
      onAvailable: () => this.#emit('audit-available'),
    });
    this.#commits = new Commits(
      parts.store,
      this.#journal,
      () => this.#readyWarden(),
      (change) => this.#apply(change),
    );
    this.#storeWatch = new StoreWatch(parts.store, {
      onLost: (error) => this.#emit('store-unavailable', { error }),
      onFound: () => this.#emit('store-available'),
    });
    this.#warden = parts.startWarden((error, broken) => this.#onWardenDeath(error, broken));
    this.#pool = parts.startPool(this.#journal, () => parts.board.lease(), {
      onCellStart: (counter) => {
        this.#counters.push(counter);
        this.#warden.call('watch', { counter }).catch(() => {});
      },
      onCellRestart: (cell, error, retried, missing) => {
        this.ask('lost', { cell, entries: missing }).catch(() => {});
        this.#emit('cell-restart', { cell, error, retried });
      },
      onFatal: (error) => this.#tampered(error),
      observer: batchObserver(this, (batch) => this.#emit('slow-batch', batch)),
    });
  }

  /** Cells and warden have passed their self-tests. */
  async start(): Promise<void> {
    await keepingProcess(Promise.all([this.#warden.ready(), this.#pool.start()]));
  }

  get state(): HsmState {
    return this.#state;
  }

  get id(): string {
    return this.#id;
  }

  on<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this {
    checkListener(event, listener);
    reading(() => this.#events.on(event, listener as never));
    return this;
  }

  once<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this {
    checkListener(event, listener);
    reading(() => this.#events.once(event, listener as never));
    return this;
  }

  off<E extends keyof HsmEvents>(event: E, listener: (...args: HsmEvents[E]) => void): this {
    checkListener(event, listener);
    reading(() => this.#events.off(event, listener as never));
    return this;
  }

  #emit<E extends keyof HsmEvents>(event: E, ...args: HsmEvents[E]): void {
    try {
      this.#events.emit(event, ...args);
    } catch (error) {
      // A listener's fault must not keep the HSM from what it was about to do: wiping itself, for one.
      process.nextTick(() => {
        throw error;
      });
    }
    publish(this, event, args);
  }

  #become(state: HsmState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  // What sessions use

  submit<T = CellResult>(request: PoolRequest, options: SubmitOptions, finish?: Finish<T>): Promise<T> {
    const refusal =
      this.#closing === undefined
        ? (this.#journal.refusal ?? this.#storeWatch.refusal)
        : new HsmError('KEYCELL_CLOSING');
    if (refusal !== undefined) return this.#pool.refuse(refusal, request, options);
    return this.#pool.submit(request, options, finish, this.#refused);
  }

  caller(user: string): Caller {
    return this.#pool.caller(user);
  }

  mustHaveShare(caller: Caller): void {
    this.#pool.mustHaveShare(caller);
  }

  mustHaveRoom(caller: Caller, size: number): void {
    this.#pool.mustHaveRoom(caller, size);
  }

  /** Two segments a cell: one in work, one at its door. */
  newLane(): Lane {
    return new Lane(() => Math.max(1, 2 * this.#pool.stats().cells));
  }

  forgetUser(id: string): void {
    this.#pool.forgetUser(id);
  }

  readonly #refused = ({ keys: [key] }: CellRequest, { status, reason, index }: CellResult): HsmError => {
    const error = errorOf(status, reason, index);
    if (error.code === 'KEYCELL_RECORD_CORRUPT' && key) this.#emit('record-corrupt', { id: key.id });
    return error;
  };

  async ask<C extends WardenCall>(
    call: C,
    ask: WardenCalls[C]['ask'],
    transfer: readonly MessagePort[] = [],
  ): Promise<WardenCalls[C]['answer']> {
    return this.#logged((await this.#readyWarden()).call(call, ask, transfer));
  }

  async askWithSecrets<C extends WardenCall>(
    call: C,
    turn: Turn,
    { passwords, wipe }: { readonly passwords: readonly Password[]; readonly wipe: boolean | undefined },
    cancellation: Cancellation,
    ask: (refs: readonly SecretRef[]) => WardenCalls[C]['ask'],
  ): Promise<WardenCalls[C]['answer']> {
    let place: Place | undefined;
    try {
      // A function may take its time, and must not hold a place meanwhile.
      if (passwords.some((password) => typeof password === 'function')) this.#line.mustTake(turn);
      else place = this.#line.enter(turn);
    } catch (error) {
      if (wipe) wipeUntaken(passwords);
      this.#pool.failed('KEYCELL_BUSY');
      throw error;
    }
    let own: readonly Uint8Array[] = [];
    try {
      own = await takePasswords(passwords, wipe);
      place ??= this.#line.enter(turn);
      return await this.#askInTurn(call, place, own, cancellation, ask);
    } finally {
      place?.leave();
      wipeAll(own);
    }
  }

  async #askInTurn<C extends WardenCall>(
    call: C,
    place: Place,
    own: readonly Uint8Array[],
    cancellation: Cancellation,
    ask: (refs: readonly SecretRef[]) => WardenCalls[C]['ask'],
  ): Promise<WardenCalls[C]['answer']> {
    try {
      await cancellation.wait(place.ready);
      const warden = await cancellation.wait(this.#readyWarden());
      cancellation.mustGoOn();
      cancellation.begin();
      const answer = warden.callWithSecrets(call, own, ask);
      // The thread is free for the next one, while this one's entry goes to the disk.
      answer.then(place.leave, place.leave);
      return await this.#logged(answer);
    } finally {
      place.leave();
    }
  }

  async #readyWarden(): Promise<WardenLink> {
    while (this.#adopting !== undefined) await this.#adopting;
    return this.#warden;
  }

  /** No answer of the warden, not even a refusal, is used before its entries are on the disk. */
  async #logged<C extends WardenCall>(call: Promise<Answered<C>>): Promise<WardenCalls[C]['answer']> {
    try {
      const { answer, entries } = await call;
      await this.#journal.durableAll(entries);
      return answer;
    } catch (error) {
      const reason = error instanceof WardenRefusal ? error.error : error;
      if (reason instanceof HsmError) this.#pool.failed(reason.code);
      if (error instanceof WardenRefusal) await this.#journal.durableAll(error.entries);
      throw reason;
    }
  }

  wallTime(wardenTime: number): number {
    return wardenTime - this.#lease().clockAhead;
  }

  /** Milliseconds since the last lease, and how far the warden's time, as it tells it, is ahead of the wall clock. */
  #lease(): { readonly leaseAge: number; readonly clockAhead: number } {
    const lease = leaseTimes(this.#parts.board.lease());
    const age = leaseAge(lease, monotonic());
    return { leaseAge: age, clockAhead: lease.time + age - Date.now() };
  }

  commit(change: Change): Promise<void> {
    return this.#commits.commit(change);
  }

  /** A change is on the disk that its caller could not be told of: the directories follow. */
  #apply({ key, record }: Change): void {
    const id = key.slice(key.indexOf('/') + 1);
    if (key.startsWith('user/')) {
      for (const user of this.users.values()) if (user.id === id) this.users.delete(user.name);
      if (record === null) {
        this.forgetUser(id);
        return;
      }
      const user = userEntryOf(record);
      this.users.set(user.name, user);
    } else if (record === null) this.keys.remove(id);
    else this.keys.put(entryOf(record));
  }

  known(): Promise<void> | undefined {
    return this.#commits.known();
  }

  // Life

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => {
      if (this.#closing !== undefined) throw new HsmError('KEYCELL_CLOSING');
      if (this.#state === 'tampered') throw new HsmError('KEYCELL_TAMPERED');
      return task();
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  async initialize(options: InitializeOptions): Promise<void> {
    const { passwords, wipe, name, log2N } = reading(() => {
      const { passphrase, admin, scryptLog2N = DEFAULT_LOG2_N, wipe } = object(options, 'options');
      const passwords = [passphrase, admin?.password];
      return wipedIfRefused(passwords, wipe, () => {
        read(options, MEMBERS.initialize);
        flag(wipe, 'wipe', false);
        whole(scryptLog2N, 'scryptLog2N', 14, 20);
        const name = nameOf(read(admin, MEMBERS.admin, 'admin').name);
        return { passwords, wipe, name, log2N: scryptLog2N };
      });
    });
    await this.#asCustodian(passwords, wipe, (own) => this.#inTurn(() => this.#initialize(own, name, log2N)));
  }

  /** With the passphrase, and wiped after it: so many at once, and no more. */
  async #asCustodian(
    passwords: readonly Password[],
    wipe: boolean | undefined,
    work: (own: readonly Uint8Array[]) => Promise<void>,
  ): Promise<void> {
    if (this.#custodians === CUSTODIANS_MAX) {
      if (wipe) wipeUntaken(passwords);
      this.#pool.failed('KEYCELL_BUSY');
      throw busyError('too many calls with a passphrase wait');
    }
    this.#custodians++;
    let own: readonly Uint8Array[] = [];
    try {
      own = await takePasswords(passwords, wipe);
      await work(own);
    } finally {
      this.#custodians--;
      wipeAll(own);
    }
  }

  async #initialize(own: readonly Uint8Array[], name: string, log2N: number): Promise<void> {
    if (this.#state !== 'uninitialized') throw new HsmError('KEYCELL_ALREADY_INITIALIZED');
    if (!this.#parts.create) throw new HsmError('KEYCELL_STORE_MISSING', 'a new HSM needs openHsm({ create: true })');
    const place = this.#line.enter(CUSTODIAN);
    const { keyslot, user } = await this.#askInTurn(
      'initialize',
      place,
      own,
      NEVER_CANCELLED,
      ([passphrase, password]) => ({
        passphrase: passphrase!,
        admin: { name, password: password! },
        log2N,
      }),
    );
    try {
      const { control } = await this.ask('commit', { added: [user], removed: [], log: this.#journal.head });
      const admin = userEntryOf(user);
      await this.#parts.store.commit({
        put: [
          [KEYSLOT_KEY, keyslot],
          [userName(admin.id), user],
          [CONTROL_KEY, control],
        ],
      });
      await this.ask('settle', { outcome: 'written' });
      this.users.set(name, admin);
      this.#keyslot = keyslot;
      this.#id = decodeRecordHeader(control).hsmId;
      await this.#openCells();
    } catch (error) {
      await this.ask('seal', {});
      if (this.#id !== '') this.#become('sealed');
      throw error;
    }
  }

  /** For an ephemeral HSM: a master key that nobody can unseal again, and its one session. */
  async initializeEphemeral(): Promise<Session> {
    const { ticket } = await this.ask('initializeEphemeral', {});
    const { hsmId, user } = decodeTicket(ticket);
    this.#id = hsmId;
    await this.#openCells();
    const now = new Date();
    return new SessionImpl(this, ticket, {
      id: user,
      name: 'ephemeral',
      role: 'crypto-user',
      locked: false,
      createdAt: now,
    });
  }

  async unseal(passphrase: Password, options: CallOptions & { readonly wipe?: boolean } = {}): Promise<void> {
    const { wipe, cancellation } = reading(() => {
      const { wipe } = object(options, 'options');
      return wipedIfRefused([passphrase], wipe, () => {
        flag(wipe, 'wipe', false);
        return { wipe, cancellation: cancellationOf(read(options, MEMBERS.unseal)) };
      });
    });
    const unsealing = this.#asCustodian([passphrase], wipe, async (own) => {
      const unsealed = await this.#inTurn(() => this.#unseal(own, cancellation));
      if (!unsealed) await this.#checkPassphrase(own, cancellation);
    });
    await cancellation.wait(unsealing);
  }

  /** Not in turn: a seal need not wait for it. */
  async #checkPassphrase(own: readonly Uint8Array[], cancellation: Cancellation): Promise<void> {
    this.mustBeReady();
    const keyslot = this.#mustHaveKeyslot();
    await this.#askInTurn('checkPassphrase', this.#line.enter(CUSTODIAN), own, cancellation, ([ref]) => ({
      passphrase: ref!,
      keyslot,
    }));
  }

  #mustHaveKeyslot(): Uint8Array {
    if (this.#keyslot === undefined) throw new HsmError('KEYCELL_INPUT_INVALID', 'an ephemeral HSM has no passphrase');
    return this.#keyslot;
  }

  /** False where there is nothing to unseal. */
  async #unseal(own: readonly Uint8Array[], cancellation: Cancellation): Promise<boolean> {
    cancellation.mustGoOn();
    if (this.#state === 'uninitialized') throw new HsmError('KEYCELL_NOT_INITIALIZED');
    if (this.#state === 'ready') return false;
    const { store } = this.#parts;
    const keyslot = await store.get(KEYSLOT_KEY);
    const control = await store.get(CONTROL_KEY);
    if (keyslot === undefined || control === undefined) throw new HsmError('KEYCELL_STORE_CORRUPT');
    await this.#askInTurn('unseal', this.#line.enter(CUSTODIAN), own, cancellation, ([ref]) => ({
      passphrase: ref!,
      keyslot,
      control,
      ...(this.#givenUp && { givenUp: this.#givenUp }),
    }));
    this.#keyslot = keyslot;
    try {
      await this.#commits.begin();
      await this.#load();
      await this.ask('scanned', { log: this.#journal.head.seq });
      if (this.#givenUp !== undefined) await this.#parts.log.takePlace?.();
      // The new incarnation is on the disk before anyone gets a ticket of it.
      await this.#commits.flush();
      this.#givenUp = undefined;
      await this.#openCells();
      return true;
    } catch (error) {
      this.keys.clear();
      this.users.clear();
      await this.ask('seal', {}).catch(() => {});
      throw error;
    }
  }

  /** Read every record into the index, each checked by the warden. Throws STORE_CORRUPT naming those that are not authentic. */
  async #load(): Promise<void> {
    this.keys.clear();
    this.users.clear();
    const corrupt = await this.#scan((key, record) => {
      if (key.startsWith('user/')) {
        const user = userEntryOf(record);
        this.users.set(user.name, user);
      } else this.keys.put(entryOf(record));
    });
    if (corrupt.length === 0) return;
    for (const id of corrupt) this.#emit('record-corrupt', { id });
    const shown = corrupt.slice(0, 5).join(', ');
    throw new HsmError('KEYCELL_STORE_CORRUPT', `${corrupt.length} records are not authentic: ${shown}`);
  }

  /** Hand all records to the warden; gives the ids of those that are not authentic. */
  async #scan(onRecord: (key: string, record: Uint8Array) => void): Promise<string[]> {
    const corrupt: string[] = [];
    let chunk: (readonly [key: string, record: Uint8Array])[] = [];
    let first = true;
    const send = async (): Promise<void> => {
      const answer = await this.ask('scan', { records: chunk.map(([, record]) => record), first });
      first = false;
      chunk.forEach(([key, record], i) => {
        const id = key.slice(key.indexOf('/') + 1);
        // What a record says is read only once the warden has found it authentic.
        try {
          if (answer.authentic[i] !== id) throw new FormatError('not authentic, or under another id');
          onRecord(key, record);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          corrupt.push(id);
        }
      });
      chunk = [];
    };
    for (const prefix of ['user/', 'key/']) {
      for await (const [key, record] of this.#parts.store.scan(prefix)) {
        chunk.push([key, record]);
        if (chunk.length === SCAN_CHUNK) await send();
      }
    }
    await send();
    return corrupt;
  }

  async #openCells(): Promise<void> {
    const unsealing = this.#pool.unseal(() => {
      const { port1, port2 } = new MessageChannel();
      this.#readyWarden()
        .then((warden) => warden.call('provision', { port: port1 }, [port1]))
        .catch(() => port1.close());
      return port2;
    });
    await keepingProcess(unsealing);
    this.#become('ready');
  }

  seal(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#readyWarden();
      if (this.#state !== 'ready') return;
      await this.#seal();
    });
  }

  async #seal(): Promise<void> {
    // Neither a full disk nor a dead warden keeps the keys in memory: everything is tried, then the first failure told.
    const failures: unknown[] = [];
    const attempt = (step: Promise<unknown>) => step.catch((error) => failures.push(error));
    this.#line.refuseAll('KEYCELL_SEALED');
    await attempt(this.#pool.seal());
    await attempt(this.#journal.isLost ? this.#commits.rememberLoss() : this.#commits.flush());
    await attempt(this.ask('seal', {}));
    this.keys.clear();
    this.users.clear();
    this.#become('sealed');
    if (failures.length > 0) throw failures[0];
  }

  async login(options: LoginOptions): Promise<Session> {
    const { own, passwords, cancellation } = reading(() => {
      const { password, passphrase, wipe } = object(options, 'options');
      const passwords = passphrase === undefined ? [password] : [password, passphrase];
      return wipedIfRefused(passwords, wipe, () => {
        flag(wipe, 'wipe', false);
        const own = read(options, MEMBERS.login);
        if (flag(own.keepAlive, 'keepAlive', false) && passwords.some((each) => typeof each !== 'function')) {
          throw invalid(
            'keepAlive asks for the password again: give a function, secretFile(path) say, so that none is kept',
          );
        }
        return { own, passwords, cancellation: cancellationOf(own) };
      });
    });
    const session = this.#login(own, passwords, cancellation);
    try {
      const opened = await cancellation.wait(session);
      if (own.keepAlive) this.#keepAlive(opened, own, passwords);
      return opened;
    } catch (error) {
      // Of a session that comes after its call is over, nobody has the handle: it shall not fill the user's quota.
      session.then((late) => late.close()).catch(() => {});
      throw error;
    }
  }

  /** Every seal ends it, every unseal begins it anew. */
  #keepAlive(session: SessionImpl, { user }: LoginOptions, [password, passphrase]: readonly Password[]): void {
    const passwords = passphrase === undefined ? [password!] : [password!, passphrase];
    const options = { user, password: password!, ...(passphrase !== undefined && { passphrase }) };
    const follow = (state: HsmState): void => (state === 'ready' ? kept.again() : kept.rest());
    const kept = session.keepAlive(
      async () => (await this.#ticket(options, passwords, NEVER_CANCELLED)).ticket,
      () => this.off('state', follow),
    );
    this.on('state', follow);
  }

  async #login(
    options: LoginOptions,
    passwords: readonly Password[],
    cancellation: Cancellation,
  ): Promise<SessionImpl> {
    const { ticket, user } = await this.#ticket(options, passwords, cancellation);
    const session = new SessionImpl(this, ticket, infoOf(user));
    // Removed while the entry of this login went to the disk: nobody else would forget what the session has just asked for.
    if (this.users.get(user.name)?.id !== user.id) this.forgetUser(user.id);
    return session;
  }

  async #ticket(
    { user: name, passphrase, wipe }: LoginOptions,
    passwords: readonly Password[],
    cancellation: Cancellation,
  ): Promise<{ readonly ticket: Uint8Array; readonly user: UserEntry }> {
    const role = this.users.get(name)?.role ?? 'stranger';
    // These places are for admins who are kept out: nobody else's call, whatever it brings, may fill them.
    const caller = passphrase !== undefined && role === 'admin' ? 'admin-with-passphrase' : role;
    let user: UserEntry | undefined;
    const secrets = { passwords, wipe };
    const turn: Turn = { caller, name };
    const { ticket } = await this.askWithSecrets('login', turn, secrets, cancellation, ([ref, custodian]) => {
      this.mustBeReady();
      if (typeof name !== 'string') throw invalid('user is the name of one, a string');
      user = this.users.get(name);
      return {
        // What is longer is nobody's name.
        name: name.slice(0, USER_NAME_MAX + 1),
        user: user?.record ?? null,
        password: ref!,
        ...(custodian !== undefined && { custody: { passphrase: custodian, keyslot: this.#mustHaveKeyslot() } }),
      };
    });
    this.#logins++;
    return { ticket, user: user! };
  }

  mustBeReady(): void {
    if (this.#closing !== undefined) throw new HsmError('KEYCELL_CLOSING');
    if (this.#state === 'uninitialized') throw new HsmError('KEYCELL_NOT_INITIALIZED');
    if (this.#state === 'sealed') throw new HsmError('KEYCELL_SEALED');
    if (this.#state === 'tampered') throw new HsmError('KEYCELL_TAMPERED');
    const { refusal } = this.#storeWatch;
    if (refusal !== undefined) throw refusal;
  }

  async check(options: CheckOptions = {}): Promise<{ records: number; logEntries: number }> {
    const { onProgress, cancellation } = reading(() => {
      const { onProgress, ...call } = read(options, MEMBERS.check);
      if (onProgress !== undefined && typeof onProgress !== 'function') throw invalid('onProgress is a function');
      return { onProgress, cancellation: cancellationOf(call) };
    });
    this.mustBeReady();
    return cancellation.wait(this.#check(onProgress, cancellation));
  }

  async #check(
    onProgress: CheckOptions['onProgress'],
    cancellation: Cancellation,
  ): Promise<{ records: number; logEntries: number }> {
    const total = this.#journal.head.seq + this.users.size + this.keys.size;
    let checked = 0;
    let failure: HsmError | undefined;
    const fail = (cause: unknown): void => {
      failure ??= new HsmError('KEYCELL_INPUT_INVALID', 'onProgress failed', { cause });
    };
    const advance = (by: number): void => {
      cancellation.mustGoOn();
      // What others write meanwhile is checked too, and not counted.
      checked = Math.min(checked + by, total);
      try {
        // An async function is none that is waited for, but what it throws ends the check all the same.
        Promise.resolve(onProgress?.({ checked, total })).catch(fail);
      } catch (error) {
        fail(error);
      }
      if (failure !== undefined) throw failure;
    };
    let bodies: string[] = [];
    const checkBodies = async (): Promise<void> => {
      const { forged } = await this.ask('checkEntries', { bodies });
      if (forged > 0) throw new HsmError('KEYCELL_AUDIT_CORRUPT', `${forged} entries were not made by this HSM`);
      advance(bodies.length);
      bodies = [];
    };
    const logEntries = await this.#parts.walkLog(async (body) => {
      bodies.push(body);
      if (bodies.length === CHECK_CHUNK) await checkBodies();
    });
    await checkBodies();
    return this.#commits.quiet(async () => {
      let records = 0;
      const corrupt = await this.#scan(() => {
        records++;
        if (records % SCAN_CHUNK === 0) advance(SCAN_CHUNK);
      });
      if (corrupt.length > 0) throw new HsmError('KEYCELL_STORE_CORRUPT', `not authentic: ${corrupt.join(', ')}`);
      const { matches } = await this.ask('compare', {});
      if (!matches) throw new HsmError('KEYCELL_STORE_CORRUPT', 'records are missing, put back, or too many');
      if (failure !== undefined) throw failure;
      return { records, logEntries };
    });
  }

  async killCell(cell = 0): Promise<void> {
    await this.#pool.kill(cell);
  }

  stats(): HsmStats {
    const ready = this.#state === 'ready';
    return {
      ...this.#pool.stats(),
      state: this.#state,
      uptime: performance.now() - this.#openedAt,
      keys: this.keys.size,
      logins: this.#logins,
      wardenRestarts: this.#wardenRestarts,
      ...(ready ? this.#lease() : { leaseAge: undefined, clockAhead: undefined }),
      logEntries: this.#journal.head.seq,
      logBacklog: this.#journal.backlog,
    };
  }

  #tampered(error: Error): void {
    if (this.#state === 'tampered') return;
    this.keys.clear();
    this.users.clear();
    this.#become('tampered');
    clearTimeout(this.#wardenPause);
    this.#line.refuseAll('KEYCELL_TAMPERED');
    // Let the warden wipe itself; if it cannot, its memory goes with its thread.
    const wiped = this.#warden.call('seal', {}).catch(() => {});
    Promise.race([wiped, sleep(WIPE_TIMEOUT, undefined, { ref: false })])
      .then(() => this.#warden.end())
      .catch(() => {});
    this.#pool.close(0).catch(() => {});
    this.#emit('fatal', { error });
  }

  #onWardenDeath(error: Error, broken: boolean): void {
    if (this.#closing !== undefined || this.#state === 'tampered') return;
    if (broken) {
      this.#tampered(error);
      return;
    }
    this.#wardenRestarts++;
    if (this.#failedWardens < 2) this.#nextWarden();
    else {
      // What it wants may be missing for long: descriptors, threads, memory. Until then calls are told that it is lost.
      const pause = Math.min(50 * 2 ** this.#failedWardens, LONGEST_PAUSE);
      this.#wardenPause = background(setTimeout(() => this.#nextWarden(), pause));
    }
    this.#failedWardens++;
    this.#emit('warden-restart', { error });
  }

  #nextWarden(): void {
    this.#wardenPause = undefined;
    if (this.#closing !== undefined || this.#state === 'tampered') return;
    const warden = this.#parts.startWarden((next, nextBroken) => this.#onWardenDeath(next, nextBroken));
    this.#warden = warden;
    for (const counter of this.#counters) warden.call('watch', { counter }).catch(() => {});
    warden.ready().then(
      () => {
        this.#failedWardens = 0;
      },
      () => {},
    );
    if (this.#state === 'ready') {
      const adopting = this.#adopt(warden).then(
        () => true,
        () => false,
      );
      const over = adopting.then((adopted) => {
        if (this.#adopting === over) this.#adopting = undefined;
        // Not part of what calls wait for: a cell that waits for its warden is one of them, and the seal waits for the cell.
        if (!adopted) this.#abandon(warden).catch(() => {});
      });
      this.#adopting = over;
    }
  }

  /** As far as is known; one that died has a successor, or a pause before it. */
  #isAlive(warden: WardenLink): boolean {
    return this.#warden === warden && this.#wardenPause === undefined;
  }

  /** No cell could give the master key: only the passphrase brings it back. */
  async #abandon(warden: WardenLink): Promise<void> {
    // Its death has begun another adoption, or is about to: that one decides.
    if (!this.#isAlive(warden)) return;
    await this.#seal().catch(() => {});
  }

  /** The new warden takes the master key from a cell, and goes on from the last control record and lease. */
  async #adopt(warden: WardenLink): Promise<void> {
    await warden.ready();
    // The old warden's last change may still be on its way to the disk.
    await this.#commits.still();
    const control = await this.#parts.store.get(CONTROL_KEY);
    if (control === undefined) throw new HsmError('KEYCELL_STORE_CORRUPT');
    const lease = this.#parts.board.lease();
    for (;;) {
      const { port1, port2 } = new MessageChannel();
      this.#pool.giveMasterKey(port1);
      const ask = { port: port2, control, lease, log: this.#journal.head.seq };
      try {
        await this.#logged(warden.call('adopt', ask, [port2]));
        return;
      } catch (error) {
        // The cell that was asked died: the next one, while there is one.
        const cellDied = error instanceof HsmError && error.code === 'KEYCELL_CELL_LOST' && this.#isAlive(warden);
        if (!cellDied) throw error;
      }
    }
  }

  async close(options: { readonly timeout?: number } = {}): Promise<void> {
    const { timeout = CLOSE_TIMEOUT } = reading(() => read(options, MEMBERS.close));
    checkCall(undefined, timeout);
    this.#closing ??= this.#close(Math.min(timeout, TIMER_MAX_MS));
    await this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    clearTimeout(this.#wardenPause);
    this.#storeWatch.close();
    this.#line.refuseAll('KEYCELL_CLOSING');
    await this.#turn;
    await this.#readyWarden();
    await this.#pool.close(timeout);
    try {
      if (this.#state === 'ready') await this.#seal();
    } finally {
      await this.#warden.end();
      this.#commits.forget();
      // A log that cannot be flushed must not keep the folder locked.
      await this.#journal.close().finally(() => this.#parts.store.close());
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkListener(event: unknown, listener: unknown): void {
  if (typeof event !== 'string') throw invalid('an event is a string');
  if (typeof listener !== 'function') throw invalid('a listener is a function');
}
