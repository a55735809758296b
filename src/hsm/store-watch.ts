/** Looks twice a second whether the store still lies where it was opened. While it does not, nothing is served. */
import { HsmError } from '../errors.ts';
import type { Store } from '../keystore/store.ts';
import { keepLooking } from './looking.ts';

/** The store is not where it was, or not as it was. */
export const isLoss = (error: unknown): error is HsmError =>
  error instanceof HsmError && (error.code === 'KEYCELL_STORE_MISSING' || error.code === 'KEYCELL_STORE_CORRUPT');

export interface StoreWatchEvents {
  onLost(error: HsmError): void;
  /** It is back, as it was. */
  onFound(): void;
}

export class StoreWatch {
  readonly #store: Store;
  readonly #events: StoreWatchEvents;
  readonly close: () => void;
  #loss: HsmError | undefined;

  constructor(store: Store, events: StoreWatchEvents) {
    this.#store = store;
    this.#events = events;
    this.close = keepLooking(() => this.#look());
  }

  /** STORE_MISSING or STORE_CORRUPT while the store is lost. */
  get refusal(): HsmError | undefined {
    const cause = this.#loss;
    return cause && new HsmError(cause.code, undefined, { cause });
  }

  async #look(): Promise<void> {
    const before = this.#loss;
    this.#loss = await this.#lossNow();
    if (this.#loss !== undefined && before === undefined) this.#events.onLost(this.#loss);
    if (this.#loss === undefined && before !== undefined) this.#events.onFound();
  }

  async #lossNow(): Promise<HsmError | undefined> {
    try {
      await this.#store.verifyPlace?.();
      return undefined;
    } catch (error) {
      // What can't be seen now (no descriptor, a disk that fails) is as it was: whoever writes is told.
      return isLoss(error) ? error : this.#loss;
    }
  }
}
