/** An HSM of real threads over a store that fails as it is told, and a wall clock that is set in all of them. */
import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { memoryAuditLog } from '../../../dist/audit/memory.js';
import { chooseBuild } from '../../../dist/cell/builds.js';
import { HsmImpl } from '../../../dist/hsm/hsm.js';
import { HsmError } from '../../../dist/index.js';
import { createCellPool } from '../../../dist/pool/cell-pool.js';
import { makeBoard, WardenThread } from '../../../dist/pool/warden-thread.js';
import { Board } from '../../../dist/wire/board.js';
import { decodeLease, type Lease } from '../../../dist/wire/lease.js';
import type { Hsm, Session } from '../../../src/index.ts';
import type { Store, StoreChanges } from '../../../src/keystore/store.ts';
import { initialize, login, OFFICER, PASSPHRASE, USER, until } from './hsm.ts';

/** `refuse`: it says no, and means it. `lie`: it says no, has done it, and says so when it is asked to do it again. */
type Fault = 'none' | 'refuse' | 'lie';

export class FaultyStore implements Store {
  readonly #entries = new Map<string, Uint8Array<ArrayBuffer>>();
  fault: Fault = 'none';
  /** Reads fail, too. */
  mute = false;
  #gate: Promise<void> | undefined;
  #arrived: (() => void) | undefined;

  /** Hold the next commits at the door; resolves when one is there, to what lets them in. */
  async hold(): Promise<() => void> {
    let open!: () => void;
    this.#gate = new Promise((resolve) => {
      open = () => {
        this.#gate = undefined;
        resolve();
      };
    });
    await new Promise<void>((resolve) => {
      this.#arrived = resolve;
    });
    return open;
  }

  async get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.mute) throw new HsmError('KEYCELL_STORE_UNAVAILABLE', 'mute');
    return this.#entries.get(key)?.slice();
  }

  async *scan(prefix: string): AsyncGenerator<[string, Uint8Array<ArrayBuffer>]> {
    for (const [key, value] of [...this.#entries].sort()) if (key.startsWith(prefix)) yield [key, value.slice()];
  }

  async commit({ put = [], remove = [] }: StoreChanges): Promise<void> {
    this.#arrived?.();
    await this.#gate;
    const again = put.every(([key, value]) => Buffer.from(value).equals(this.#entries.get(key) ?? new Uint8Array(0)));
    if (this.fault === 'lie' && again) return;
    if (this.fault !== 'refuse') {
      for (const [key, value] of put) this.#entries.set(key, new Uint8Array(value));
      for (const key of remove) this.#entries.delete(key);
    }
    if (this.fault !== 'none') throw new Error('input/output error');
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  async close(): Promise<void> {}
}

const wall = new BroadcastChannel('keycell-test-wall');
wall.unref();

const SUPPORT = new URL('.', import.meta.url);

export class Faulty {
  readonly store = new FaultyStore();
  readonly #log = memoryAuditLog();
  /** The log can't be written. */
  logFault = false;
  #hsm!: HsmImpl;
  #shared!: SharedArrayBuffer;
  admin!: Session;
  alice!: Session;

  static async make(): Promise<Faulty> {
    const here = new Faulty();
    await here.#open('uninitialized');
    await initialize(here.hsm);
    here.admin = await login(here.hsm, 'officer', OFFICER);
    await here.admin.createUser({ name: 'alice', role: 'crypto-user', password: USER });
    here.alice = await login(here.hsm);
    onTestFinished(() => {
      wall.postMessage(0);
    });
    return here;
  }

  get hsm(): Hsm {
    return this.#hsm as unknown as Hsm;
  }

  async #open(state: 'uninitialized' | 'sealed'): Promise<void> {
    const build = chooseBuild(
      (name: string) => readFileSync(new URL(`../../../dist/cell/${name}`, import.meta.url)),
      process.env['KEYCELL_SIMD'],
    );
    const { shared, board } = makeBoard();
    this.#shared = shared;
    // The log's head outlives its HSM here.
    const log = Object.create(this.#log, {
      head: { get: () => this.#log.head },
      append: {
        value: async (bodies: readonly string[]) => {
          if (this.logFault) throw new Error('no space');
          return this.#log.append(bodies);
        },
      },
      close: { value: async () => {} },
    });
    this.#hsm = new HsmImpl(
      {
        store: this.store,
        log,
        create: true,
        board,
        hashingThreads: 1,
        queueLimit: 4096,
        quotas: { storedKeys: 1000, sessions: 1000, waitingRequests: 4096 },
        startPool: (sink: never, lease: never, events: never) =>
          createCellPool({ workers: 1, ...build, worker: new URL('cell-thread.mjs', SUPPORT), sink, lease, events }),
        startWarden: (onDeath: never) =>
          new WardenThread(
            {
              core: build.core,
              digest: build.digest,
              board: shared,
              hashingThreads: 1,
              lockout: { after: 10, delay: 60_000, longest: 900_000 },
              sessionQuota: 1000,
              modules: { warden: new URL('warden-thread.mjs', SUPPORT) } as never,
            },
            onDeath,
          ),
        walkLog: async () => this.#log.head.seq,
      } as never,
      state,
      '',
    );
    const opened = this.#hsm;
    onTestFinished(() => opened.close({ timeout: 1000 }).catch(() => {}));
    await opened.start();
  }

  /** Close it, and open what is on the disk. */
  async reopen(): Promise<void> {
    await this.hsm.close().catch(() => {});
    await this.#open('sealed');
    await this.hsm.unseal(PASSPHRASE);
    await this.hsm.check();
  }

  /** A board of its own: what the facade has read is none of ours. */
  get #lease(): Lease {
    return decodeLease(new Board(this.#shared).lease());
  }

  /** Resolves when the warden has told the cells so many times more. */
  async leases(count: number): Promise<void> {
    const { number } = this.#lease;
    await until(() => this.#lease.number >= number + count);
  }

  /** Set the wall clock of all threads, relative to the real one; resolves when the warden has told the cells. */
  async setClock(offset: number): Promise<void> {
    wall.postMessage(offset);
    // The threads hear of it before the second lease from here.
    await this.leases(3);
  }
}
