/** Looks twice a second whether the store still lies where it was opened. While it does not, nothing is served. */
import { HsmError } from '../errors.ts';
import type { Store } from '../keystore/store.ts';
import { background } from '../wire/clock.ts';

/** In ms. */
const LOOK_INTERVAL = 500;

export interface StoreWatchEvents {
  onLost(error: HsmError): void;
  /** It is back, as it was. */
  onFound(): void;
}

export class StoreWatch {
  readonly #store: Store;
  readonly #events: StoreWatchEvents;
  readonly #looking: NodeJS.Timeout;
  #busy = false;
  #loss: HsmError | undefined;

  constructor(store: Store, events: StoreWatchEvents) {
    this.#store = store;
    this.#events = events;
    this.#looking = background(setInterval(() => void this.#look(), LOOK_INTERVAL));
  }

  /** STORE_MISSING or STORE_CORRUPT while the store is lost. */
  get refusal(): HsmError | undefined {
    const cause = this.#loss;
    return cause && new HsmError(cause.code, undefined, { cause });
  }

  close(): void {
    clearInterval(this.#looking);
  }

  /** One look at a time: the disk may be slow. */
  async #look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const loss = await this.#lossNow();
    this.#busy = false;
    const before = this.#loss;
    this.#loss = loss;
    if (loss !== undefined && before === undefined) this.#events.onLost(loss);
    if (loss === undefined && before !== undefined) this.#events.onFound();
  }

  async #lossNow(): Promise<HsmError | undefined> {
    try {
      await this.#store.verifyPlace?.();
      return undefined;
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      // What can't be seen now (no descriptor, a disk that fails) is as it was: whoever writes is told.
      return error.code === 'KEYCELL_STORE_MISSING' || error.code === 'KEYCELL_STORE_CORRUPT' ? error : this.#loss;
    }
  }
}
