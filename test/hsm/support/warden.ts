/** A warden and a cell's authority in this process, over one core, with clocks that a test sets. Runs against dist/. */
import { readFileSync } from 'node:fs';
import { onTestFinished, vi } from 'vitest';
import { Arena } from '../../../dist/cell/arena.js';
import { Authority } from '../../../dist/cell/authority.js';
import { chooseBuild } from '../../../dist/cell/builds.js';
import { openCore } from '../../../dist/cell/core.js';
import { Vault } from '../../../dist/cell/vault.js';
import { WardenClock } from '../../../dist/cell/warden/clock.js';
import type { LockoutPolicy, SecretRef, WardenCall, WardenCalls } from '../../../dist/cell/warden/protocol.js';
import { Warden } from '../../../dist/cell/warden/warden.js';
import { HashingThreads } from '../../../dist/pool/hashing-threads.js';
import { BOARD_SIZE, Board } from '../../../dist/wire/board.js';
import { decodeLease, type Lease } from '../../../dist/wire/lease.js';
import { decodeTicket, encodeTicketBody, type Ticket } from '../../../dist/wire/ticket.js';
import { hmac, purposeKey } from '../../support/reference.ts';

const EMPTY_LOG = { seq: 0, hash: '0'.repeat(64) };
const PASSWORD = 'password';
const LOCKOUT = { after: 10, delay: 60_000, longest: 900_000 };
/** More than any test opens. */
const SESSION_QUOTA = 1_000_000;
const HASHER = new URL('../../../dist/cell/warden/hasher.js', import.meta.url);

export class Clocks {
  /** Milliseconds since 1970, as `Date.now()` would say. */
  wall = 1_800_000_000_000;
  /** Milliseconds of the monotonic clock. */
  monotonic = 50_000_000;

  pass(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }
}

export class WardenHere {
  readonly clocks = new Clocks();
  readonly events: string[] = [];
  readonly board = new Board(new SharedArrayBuffer(BOARD_SIZE));
  readonly #secrets = new SharedArrayBuffer(8192);
  readonly #warden: Warden;
  readonly #master: Uint8Array;
  readonly #cell: (ticket: Uint8Array) => string;

  private constructor(lockout: LockoutPolicy) {
    const build = chooseBuild(
      (name: string) => readFileSync(new URL(`../../../dist/cell/${name}`, import.meta.url)),
      process.env['KEYCELL_SIMD'],
    );
    const core = openCore(build.core, build.digest);
    const work = new Arena(core.call.WORK.value, core.call.WORK_SIZE.value);
    const clock = new WardenClock(
      () => this.clocks.wall,
      () => this.clocks.monotonic,
    );
    // Its log is always written.
    this.board.postEntries(Number.MAX_SAFE_INTEGER);
    this.#warden = new Warden(core, work, this.board, this.#secrets, lockout, SESSION_QUOTA, clock);
    const threads = new HashingThreads(1, HASHER, this.#secrets, (port) => this.#warden.hasher({ port }));
    onTestFinished(() => threads.end());
    threads.want(1);
    this.#warden.initializeEphemeral({}, []);
    const { hsmId, incarnation, boot } = this.lease;
    const vault = new Vault(core, work);
    vault.unlock({ hsmId, epoch: 1, incarnation, boot });
    this.#master = core.bytes.slice(vault.master, vault.master + 32);
    const authority = new Authority(core, vault, () => this.clocks.monotonic);
    const at = core.call.WINDOW.value;
    this.#cell = (ticket) => {
      const lease = this.board.lease();
      core.bytes.set(lease, at);
      core.bytes.set(ticket, at + lease.length);
      try {
        authority.takeLease(at, lease.length);
        authority.readTicket(at + lease.length, ticket.length);
        return 'good';
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    };
  }

  /** The warden's second is told by `tick`, not by a timer. */
  static make(lockout: LockoutPolicy = LOCKOUT): WardenHere {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    return new WardenHere(lockout);
  }

  get lease(): Lease {
    return decodeLease(this.board.lease());
  }

  /** A second of both clocks, and the warden's lease for it. */
  tick(seconds = 1): void {
    for (let i = 0; i < seconds; i++) {
      this.clocks.pass(1000);
      vi.advanceTimersByTime(1000);
    }
  }

  /** The warden's next lease, wherever the clocks were set. */
  post(): void {
    vi.advanceTimersByTime(1000);
  }

  async ask<C extends WardenCall>(call: C, ask: WardenCalls[C]['ask']): Promise<WardenCalls[C]['answer']> {
    const entries: string[] = [];
    try {
      const handle = this.#warden[call].bind(this.#warden) as (ask: unknown, entries: string[]) => unknown;
      return (await handle(ask, entries)) as WardenCalls[C]['answer'];
    } finally {
      this.events.push(...entries.map((entry) => JSON.parse(entry).event as string));
    }
  }

  async code<C extends WardenCall>(call: C, ask: WardenCalls[C]['ask']): Promise<string> {
    try {
      await this.ask(call, ask);
      return 'a result';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  }

  /** What a cell says to this ticket, by the lease on the board. */
  cell(ticket: Uint8Array): string {
    return this.#cell(ticket);
  }

  warden(ticket: Uint8Array): Promise<string> {
    return this.code('renew', { ticket });
  }

  /** A ticket as a login gives it now, without scrypt. */
  mint(more: Partial<Ticket> & Pick<Ticket, 'user' | 'session'>): Uint8Array {
    const { hsmId, incarnation, ticketEpoch, users, time } = this.lease;
    const loggedInAt = Math.max(time, ...users.map(({ before }) => before));
    const body = encodeTicketBody({
      ...{ role: 'crypto-user', hsmId, incarnation, userEpoch: 1, ticketEpoch },
      ...{ loggedInAt, expiresAt: time + 15 * 60_000, ...more },
    } as Ticket);
    return new Uint8Array(Buffer.concat([body, hmac(purposeKey(this.#master, 'ticket', hsmId, 1), body)]));
  }

  get password(): SecretRef {
    return this.#handOver(PASSWORD);
  }

  #handOver(secret: string): SecretRef {
    new Uint8Array(this.#secrets).set(Buffer.from(secret));
    return { offset: 0, length: secret.length };
  }

  login(user: Uint8Array): Promise<Uint8Array> {
    return this.ask('login', { name: '', user, password: this.password }).then(({ ticket }) => ticket);
  }

  /** What comes of a login with the right password, or with this one. */
  loginCode(user: Uint8Array, password = PASSWORD): Promise<string> {
    return this.code('login', { name: '', user, password: this.#handOver(password) });
  }

  read(ticket: Uint8Array): Ticket {
    return decodeTicket(ticket);
  }

  /** A user whose record is on the disk. */
  async user(admin: Uint8Array, name: string): Promise<Uint8Array> {
    const ask = { ticket: admin, name, role: 'crypto-user', password: this.password } as const;
    const { user } = await this.ask('createUser', ask);
    await this.change([user], [], 'written');
    return user;
  }

  /** A change on its way to the disk, and what became of it. */
  async change(
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
    outcome: 'written' | 'refused' | 'unknown',
  ): Promise<void> {
    await this.ask('commit', { added, removed, log: EMPTY_LOG });
    await this.ask('settle', { outcome });
  }
}
