/** The warden's thread, seen from the facade: calls with answers, and secrets handed over in shared memory. */
import { type MessagePort, Worker } from 'node:worker_threads';
import {
  type FromWarden,
  type LockoutPolicy,
  SECRET_MAX,
  SECRETS_SIZE,
  type SecretRef,
  type ToWarden,
  type WardenCall,
  type WardenCalls,
  type WardenStart,
} from '../cell/warden/protocol.ts';
import { busyError, HsmError, type Outcome } from '../errors.ts';
import { BOARD_SIZE, Board } from '../wire/board.ts';
import { background } from '../wire/clock.ts';
import { HashingThreads } from './hashing-threads.ts';
import { type Answered, type ThreadModules, type WardenLink, WardenRefusal } from './pool.ts';

const START_TIMEOUT = 30_000;

interface Waiting {
  readonly resolve: (answered: never) => void;
  readonly reject: (error: Error) => void;
}

export interface WardenOptions {
  readonly core: Uint8Array;
  readonly digest: string;
  /** Outlives the warden. */
  readonly board: SharedArrayBuffer;
  /** At least 1. */
  readonly hashingThreads: number;
  readonly lockout: LockoutPolicy;
  /** Sessions that one user may have open. */
  readonly sessionQuota: number;
  /** Of a bundled program. */
  readonly modules?: ThreadModules | undefined;
}

export class WardenThread implements WardenLink {
  readonly #worker: Worker;
  readonly #hashing: HashingThreads;
  /** A place for each call with secrets: as many as there are hashing threads. */
  readonly #secrets: Uint8Array;
  readonly #free: number[];
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<void>;
  /** Ends the wait for the start, of a warden that is ended before it. */
  #giveUpStart!: (reason: Error) => void;
  #starting = true;
  #last = 0;
  #ended: Error | undefined;

  /** `onDeath` is called once, unless `end` was. */
  constructor(
    { core, digest, board, hashingThreads, lockout, sessionQuota, modules }: WardenOptions,
    onDeath: (error: Error, broken: boolean) => void,
  ) {
    const secrets = new SharedArrayBuffer(hashingThreads * SECRETS_SIZE);
    this.#secrets = new Uint8Array(secrets);
    this.#free = Array.from({ length: hashingThreads }, (_, i) => i * SECRETS_SIZE);
    const workerData: WardenStart = { core, digest, board, secrets, lockout, sessionQuota };
    this.#worker = new Worker(modules?.warden ?? new URL('../cell/warden/worker.js', import.meta.url), {
      workerData,
      execArgv: [],
      env: {},
    });
    const hasher = modules?.hasher ?? new URL('../cell/warden/hasher.js', import.meta.url);
    this.#hashing = new HashingThreads(hashingThreads, hasher, secrets, (port) => {
      this.call('hasher', { port }, [port]).catch(() => port.close());
    });
    let broken: string | undefined;
    this.#ready = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new HsmError('KEYCELL_CELL_LOST', 'the warden did not start')),
        START_TIMEOUT,
      );
      background(timer);
      const startFailed = (reason: Error): void => {
        clearTimeout(timer);
        reject(reason);
      };
      this.#giveUpStart = startFailed;
      this.#worker.on('message', (message: FromWarden) => {
        if (message.type === 'ready') {
          // It would keep all that it leads to, the whole HSM, for as long as it ran.
          clearTimeout(timer);
          this.#starting = false;
          this.#rest();
          resolve();
        } else if (message.type === 'broken') broken = message.reason;
        else this.#settle(message);
      });
      const die = (error: Error): void => {
        if (this.#ended !== undefined) return;
        this.#ended = error;
        this.#giveUp(error);
        // What they derive is nobody's any more.
        this.#hashing.end().catch(() => {});
        startFailed(
          broken === undefined
            ? new HsmError('KEYCELL_CELL_LOST', 'the warden did not start', { cause: error })
            : new HsmError('KEYCELL_TAMPERED', broken, { cause: error }),
        );
        onDeath(error, broken !== undefined);
      };
      this.#worker.on('error', die);
      this.#worker.on('exit', (code) => die(new Error(`the warden ended with code ${code}`)));
    });
    this.#ready.catch(() => {});
  }

  /** Resolves when the warden has passed its self-test. */
  ready(): Promise<void> {
    return this.#ready;
  }

  call<C extends WardenCall>(
    call: C,
    ask: WardenCalls[C]['ask'],
    transfer: readonly MessagePort[] = [],
  ): Promise<Answered<C>> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#lost(this.#ended, 'not-executed'));
        return;
      }
      const id = ++this.#last;
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, ask } as ToWarden, transfer);
    });
  }

  /** `secrets` are wiped here, and in shared memory by who hashes them. */
  async callWithSecrets<C extends WardenCall>(
    call: C,
    secrets: readonly Uint8Array[],
    ask: (refs: readonly SecretRef[]) => WardenCalls[C]['ask'],
  ): Promise<Answered<C>> {
    const place = this.#free.pop();
    try {
      if (place === undefined) throw busyError();
      if (secrets.some((secret) => secret.length > SECRET_MAX)) {
        throw new HsmError('KEYCELL_INPUT_INVALID', `a passphrase or password has at most ${SECRET_MAX} bytes`);
      }
      if (this.#ended !== undefined) throw this.#lost(this.#ended, 'not-executed');
      const refs = secrets.map(({ length }, i) => ({ offset: place + i * SECRET_MAX, length }));
      const asked = ask(refs);
      secrets.forEach((secret, i) => {
        this.#secrets.set(secret, refs[i]!.offset);
        secret.fill(0);
      });
      this.#hashing.want(this.#places - this.#free.length);
      return await this.call(call, asked);
    } finally {
      for (const secret of secrets) secret.fill(0);
      if (place !== undefined) {
        this.#secrets.fill(0, place, place + SECRETS_SIZE);
        this.#free.push(place);
      }
    }
  }

  get #places(): number {
    return this.#secrets.length / SECRETS_SIZE;
  }

  #settle(message: Exclude<FromWarden, { type: 'ready' | 'broken' }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    this.#rest();
    if (message.type === 'answer') waiting?.resolve({ answer: message.answer, entries: message.entries } as never);
    else waiting?.reject(new WardenRefusal(new HsmError(message.code, message.detail), message.entries));
  }

  /** Without a call the thread does not keep the process. */
  #rest(): void {
    if (!this.#starting && this.#waiting.size === 0) this.#worker.unref();
  }

  /** Nobody answers any more. */
  #giveUp(reason: Error): void {
    this.#secrets.fill(0);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#lost(reason, 'unknown'));
    this.#waiting.clear();
  }

  #lost(reason: Error, outcome: Outcome): HsmError {
    if (reason instanceof HsmError) return new HsmError(reason.code, undefined, { outcome });
    return new HsmError('KEYCELL_CELL_LOST', 'the warden died', { cause: reason, outcome });
  }

  /** End the thread; its memory was wiped by `seal`. */
  async end(): Promise<void> {
    this.#ended ??= new HsmError('KEYCELL_CLOSING');
    this.#giveUp(this.#ended);
    this.#giveUpStart(this.#ended);
    await Promise.all([this.#worker.terminate(), this.#hashing.end()]);
  }
}

export const makeBoard = (): { shared: SharedArrayBuffer; board: Board } => {
  const shared = new SharedArrayBuffer(BOARD_SIZE);
  return { shared, board: new Board(shared) };
};
