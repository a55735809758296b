/** One incarnation of a cell, seen from the batcher: its port, its two places, and what lies in each. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Transferable } from 'node:worker_threads';
import type { CellStart, FromCell, ToCell } from '../cell/protocol.ts';
import type { CellStats } from '../model/hsm.ts';
import {
  type CellRequest,
  type CellResult,
  clearPlace,
  PLACE_SIZE,
  PlaceView,
  readReply,
  writeBatch,
} from '../wire/batch.ts';
import type { Pending } from './pending.ts';
import { letPlacesGo, PLACES, takePlaces } from './places.ts';

const NO_REQUESTS: readonly CellRequest[] = [];

export interface Reply {
  readonly results: readonly CellResult[];
  readonly audit: string;
}

export type ReplyListener = (link: CellLink, batch: readonly Pending[], reply: Reply) => void;
type Answer = Exclude<FromCell, number>['type'];

interface Place {
  readonly bytes: Uint8Array;
  readonly view: PlaceView;
  batch: readonly Pending[] | null;
  cost: number;
  requests: readonly CellRequest[];
}

export class CellLink {
  readonly cell: number;
  /** Resolves once, with the reason, when nothing may be expected from this incarnation any more. */
  readonly died: Promise<Error>;
  /** `ready`: self-tested; `open`: holds the master key and takes batches. */
  state: CellStats['state'] = 'starting';
  /** Ended by our own hand, so not a sign of a fault. */
  killed = false;
  wasReady = false;
  answered = 0;
  /** What the batches inside were taken to cost. */
  load = 0;
  /** When it gave the last answer, on the clock of `performance.now()`: what waited at its door began then. */
  answeredAt = 0;
  readonly #onReply: ReplyListener;
  readonly #onBroken: (reason: string) => void;
  readonly #port: MessagePort;
  readonly #farPort: MessagePort;
  readonly #places: Place[] = [];
  /** Numbers of the places with the cell, oldest first: it works in this order. */
  readonly #inside: number[] = [];
  readonly #counter = new BigUint64Array(new SharedArrayBuffer(8));
  readonly #bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #startedAt = performance.now();
  #logged = 0;
  readonly #waiting = new Map<Answer, { resolve: () => void; reject: (error: Error) => void }>();
  #die!: (error: Error) => void;
  #trusted = true;

  constructor(cell: number, onReply: ReplyListener, onBroken: (reason: string) => void) {
    this.cell = cell;
    this.#onReply = onReply;
    this.#onBroken = onBroken;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#farPort = port2;
    for (const bytes of takePlaces()) {
      this.#places.push({ bytes, view: new PlaceView(bytes), batch: null, cost: 0, requests: NO_REQUESTS });
    }
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
    port1.on('message', (message: FromCell) => this.#onMessage(message));
    // Who waits for something keeps the process: the batcher, and the timers below.
    port1.unref();
  }

  /** What the cell's task is started with; the port in it must be transferred. */
  startMessage(core: Uint8Array, digest: string): CellStart {
    const places = this.#places.map((place) => place.bytes);
    return {
      cell: this.cell,
      core,
      digest,
      port: this.#farPort,
      places,
      counter: this.counter,
      bell: this.#bell.buffer as SharedArrayBuffer,
    };
  }

  /** Places that a batch may be written into now. */
  get free(): number {
    return this.state === 'open' ? PLACES - this.#inside.length : 0;
  }

  get busy(): boolean {
    return this.#inside.length > 0;
  }

  stats(): CellStats {
    const { cell, state, answered } = this;
    return { cell, state, uptime: performance.now() - this.#startedAt, batches: answered, inside: this.#inside.length };
  }

  /** Where the cell counts its entries: for the warden. */
  get counter(): SharedArrayBuffer {
    return this.#counter.buffer as SharedArrayBuffer;
  }

  /** Entries that this incarnation made. */
  get entries(): bigint {
    return Atomics.load(this.#counter, 0);
  }

  /** Entries that it made and never handed over. */
  get missing(): bigint {
    return this.entries - BigInt(this.#logged);
  }

  /** Write a batch into a free place and send it; gives its cost. Throws, with the place clean, if a request cannot be written. */
  send(lease: Uint8Array, batch: readonly Pending[]): number {
    const index = this.#freePlace();
    const place = this.#places[index]!;
    place.requests = batch.map((pending) => pending.request);
    try {
      writeBatch(place.bytes, lease, place.requests, place.view);
    } catch (error) {
      place.requests = NO_REQUESTS;
      clearPlace(place.view, PLACE_SIZE);
      throw error;
    }
    let cost = 0;
    for (let i = 0; i < batch.length; i++) cost += batch[i]!.cost + batch[i]!.opening;
    place.batch = batch;
    place.cost = cost;
    this.load += cost;
    this.#inside.push(index);
    this.#port.postMessage(index);
    // Afterwards: a cell that hears it goes to the port for the batch, and would sleep if none were there.
    Atomics.add(this.#bell, 0, 1);
    return cost;
  }

  #freePlace(): number {
    let index = 0;
    while (this.#places[index]!.batch !== null) index++;
    return index;
  }

  /** Send a control message and wait for its answer; rejects if the cell dies or takes longer than `timeout` ms. */
  async ask(message: ToCell, answer: Answer, timeout: number, transfer: readonly Transferable[] = []): Promise<void> {
    const answered = this.answer(answer, timeout);
    this.post(message, transfer);
    await answered;
  }

  answer(answer: Answer, timeout: number): Promise<void> {
    if (this.state === 'dead') return Promise.reject(new Error(`cell ${this.cell} is dead`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(answer);
        reject(new Error(`cell ${this.cell} was not ${answer} within ${timeout} ms`));
      }, timeout);
      const end = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer);
          this.#waiting.delete(answer);
          then(value);
        };
      };
      this.#waiting.set(answer, { resolve: end(resolve), reject: end(reject) });
    });
  }

  /** The end of this incarnation, whoever saw it first. Its thread must be ended before `bury`. */
  fail(error: Error): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
    this.#die(error);
  }

  /**
   * After the thread's end: take what it still sent, give back the batches that it did not answer, oldest
   * first, and zero their places whole, since how far a reply was written is unknown.
   */
  bury(): (readonly Pending[])[] {
    for (let last = receiveMessageOnPort(this.#port); last !== undefined; last = receiveMessageOnPort(this.#port)) {
      this.#onMessage(last.message);
    }
    this.#port.close();
    this.#farPort.close();
    const lost: (readonly Pending[])[] = [];
    for (const index of this.#inside) {
      const place = this.#places[index]!;
      lost.push(place.batch!);
      place.batch = null;
      place.requests = NO_REQUESTS;
      clearPlace(place.view, PLACE_SIZE);
    }
    this.#inside.length = 0;
    // Who broke the protocol may have written where it had no batch.
    if (this.#trusted) letPlacesGo(this.#places.splice(0).map(({ bytes }) => bytes));
    return lost;
  }

  post(message: ToCell, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #onMessage(message: FromCell): void {
    if (typeof message === 'number') this.#takeReply(message);
    else if (message.type === 'broken') {
      this.#trusted = false;
      this.#onBroken(message.reason);
    } else this.#waiting.get(message.type)?.resolve();
  }

  #takeReply(index: number): void {
    // After one malformed reply nothing that this cell says is believed.
    if (!this.#trusted) return;
    const place = this.#places[index];
    const batch = place?.batch ?? null;
    if (place === undefined || batch === null) this.#distrust('it answered no batch');
    else this.#takeAnswer(index, place, batch);
  }

  #takeAnswer(index: number, place: Place, batch: readonly Pending[]): void {
    let reply: ReturnType<typeof readReply>;
    try {
      reply = readReply(place.bytes, place.requests, place.view);
    } catch (error) {
      this.#distrust('its reply is malformed', error);
      return;
    }
    clearPlace(place.view, reply.length);
    place.batch = null;
    place.requests = NO_REQUESTS;
    this.load -= place.cost;
    if (this.#inside[0] === index) this.#inside.shift();
    else this.#inside.splice(this.#inside.indexOf(index), 1);
    if (reply.audit !== '') this.#logged++;
    this.answered++;
    this.#onReply(this, batch, reply);
  }

  #distrust(what: string, cause?: unknown): void {
    this.#trusted = false;
    this.fail(new Error(`cell ${this.cell}: ${what}`, { cause }));
  }
}
