/** The cell's thread: one task that serves batches until it is drained, and is the cell's life. */
import { randomUUID } from 'node:crypto';
import { type MessagePort, threadId } from 'node:worker_threads';
import { batchLength, clearPlace, PlaceView } from '../wire/batch.ts';
import { Arena } from './arena.ts';
import { BatchServer, ENTRY_RESERVE } from './batch.ts';
import { type Core, IntegrityError, openCore } from './core.ts';
import { Doorbell } from './doorbell.ts';
import type { CellStart, FromCell, ToCell } from './protocol.ts';
import { type Given, Transfer } from './provision.ts';
import { Random } from './random.ts';
import { selfTest } from './selftest.ts';
import { Vault } from './vault.ts';

/** Resolves when drained; its rejection is the cell's death. Everything is wiped before either. */
export default async function serve(start: CellStart): Promise<void> {
  const post = (message: FromCell): void => start.port.postMessage(message);
  const core = opened(start, post);
  const work = new Arena(core.call.WORK.value, core.call.WORK_SIZE.value, ENTRY_RESERVE);
  return new Promise<void>((resolve, reject) => {
    const cell = new Cell(core, work, start, (error) => {
      core.call.wipeAll();
      for (const place of start.places) place.fill(0, 0, 64);
      start.port.close();
      if (error === undefined) resolve();
      else reject(error);
    });
    start.port.on('message', (message: ToCell) => cell.receive(message));
    cell.begin();
  });
}

function opened(start: CellStart, post: (message: FromCell) => void): Core {
  try {
    return openCore(start.core, start.digest);
  } catch (error) {
    tellIfBroken(error, post);
    throw error;
  }
}

/** What fails for want of memory or descriptors may succeed the next time: only this says that the cell is not what it was. */
function tellIfBroken(error: unknown, post: (message: FromCell) => void): void {
  if (error instanceof IntegrityError) post({ type: 'broken', reason: error.message });
}

class Cell {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #start: CellStart;
  readonly #end: (error?: unknown) => void;
  readonly #vault: Vault;
  readonly #places: readonly PlaceView[];
  readonly #counter: BigUint64Array;
  readonly #bell: Doorbell;
  #random!: Random;
  #server!: BatchServer;

  constructor(core: Core, work: Arena, start: CellStart, end: (error?: unknown) => void) {
    this.#core = core;
    this.#work = work;
    this.#start = start;
    this.#end = end;
    this.#vault = new Vault(core, work);
    this.#places = start.places.map((place) => new PlaceView(place));
    this.#counter = new BigUint64Array(start.counter);
    this.#bell = new Doorbell(start.bell);
  }

  begin(): void {
    this.#guard(() => {
      selfTest(this.#core, this.#work);
      // A name for the log that no other cell of any run has.
      const name = `cell-${this.#start.cell}-${randomUUID().slice(0, 8)}`;
      this.#random = new Random(this.#core, this.#work, `${name}/${process.pid}/${threadId}`);
      this.#server = new BatchServer(this.#core, this.#vault, this.#random, this.#work, name);
      this.#post({ type: 'ready' });
    });
  }

  receive(message: ToCell): void {
    this.#guard(() => {
      if (typeof message === 'number') this.#serve(message);
      else if (message.type === 'provision') this.#take(message.port);
      else if (message.type === 'give') this.#give(message.port);
      else if (message.type === 'seal') this.#seal();
      else if (message.type === 'drain') {
        this.#vault.lock();
        this.#random.close();
        this.#post({ type: 'drained' });
        this.#end();
      }
    });
  }

  #serve(place: number): void {
    this.#bell.heard();
    const shared = this.#places[place]!;
    const length = batchLength(shared);
    const window = this.#core.call.WINDOW.value;
    try {
      this.#core.bytes.set(shared.bytes.subarray(0, length), window);
      clearPlace(shared, length);
      const reply = this.#server.serve(length);
      shared.bytes.set(reply);
      if (this.#server.entered) Atomics.add(this.#counter, 0, 1n);
    } finally {
      this.#server.wipe(length);
    }
    this.#post(place);
    this.#bell.watch(this.#server.served);
  }

  #take(port: MessagePort): void {
    const transfer = new Transfer(this.#core, this.#work, this.#vault, this.#random);
    let taken = false;
    port.once('close', () => {
      if (!taken) this.#guard(() => fail('the warden gave no master key'));
    });
    port.once('message', (given: Given) => {
      taken = true;
      this.#guard(() => {
        try {
          transfer.take(given);
        } finally {
          transfer.end();
          this.#wipeScratch();
          port.close();
        }
        this.#post({ type: 'provisioned' });
      });
    });
    port.postMessage(transfer.point);
  }

  /** A new warden asks this cell for what the old one gave it. */
  #give(port: MessagePort): void {
    port.once('message', (point: Uint8Array) => {
      this.#guard(() => {
        const transfer = new Transfer(this.#core, this.#work, this.#vault, this.#random);
        try {
          port.postMessage(transfer.give(point));
        } finally {
          transfer.end();
          this.#wipeScratch();
        }
      });
    });
  }

  /** Outside batches, too, the primitives leave intermediate values of keys behind. */
  #wipeScratch(): void {
    this.#core.call.wipeBatch(0, this.#work.high, 0, 0);
    this.#work.reset();
  }

  #seal(): void {
    this.#vault.lock();
    this.#work.reset();
    this.#random.restart();
    this.#post({ type: 'sealed' });
  }

  #post(message: FromCell): void {
    this.#start.port.postMessage(message);
  }

  /** Whatever is thrown here is no caller's fault: wipe, and let the pool replace this cell. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      tellIfBroken(error, (message) => this.#post(message));
      this.#end(error);
    }
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}
