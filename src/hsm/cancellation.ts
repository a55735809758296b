/**
 * What ends a call before its work does: its signal or its timeout. The pool watches those of a request to the cells itself;
 * this is for what a call waits for elsewhere: the warden, the store, another call, or a caller's own function.
 */
import { HsmError, type Outcome, unreadable } from '../errors.ts';
import type { CallOptions } from '../model/hsm.ts';
import { callOf, onAbort, reading, TIMER_MAX_MS } from './inputs.ts';

export class Cancellation {
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number | undefined;
  #outcome: Outcome = 'not-executed';

  /** Throws INPUT_INVALID. */
  constructor(options: CallOptions) {
    const { signal, timeout } = reading(() => callOf(options));
    this.#signal = signal;
    this.#deadline = timeout === undefined ? undefined : performance.now() + timeout;
  }

  get #left(): number | undefined {
    return this.#deadline === undefined ? undefined : this.#deadline - performance.now();
  }

  /** The error that ends the call, or undefined while it may go on. */
  #error(): HsmError | undefined {
    const outcome = this.#outcome;
    try {
      if (this.#signal?.aborted) {
        return new HsmError('KEYCELL_ABORTED', undefined, { cause: this.#signal.reason, outcome });
      }
    } catch (error) {
      return unreadable(error, 'signal');
    }
    if (this.#deadline !== undefined && this.#left! <= 0)
      return new HsmError('KEYCELL_TIMEOUT', undefined, { outcome });
    return undefined;
  }

  /** Throws ABORTED or TIMEOUT where the call is over. */
  mustGoOn(): void {
    const error = this.#error();
    if (error !== undefined) throw error;
  }

  /** From here on the work may have had an effect: whoever is told that the call is over is told that, too. */
  begin(): void {
    this.#outcome = 'unknown';
  }

  /** These options for a request of this call: with what is left of its time. */
  within<T extends CallOptions | undefined>(options: T): T {
    return this.#deadline === undefined ? options : { ...options, timeout: this.#left! };
  }

  /** Settles as the work does, or rejects when the call is over; the work then ends unseen. */
  wait<T>(work: Promise<T>): Promise<T> {
    const signal = this.#signal;
    if (signal === undefined && this.#deadline === undefined) return work;
    return new Promise<T>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const look = (): void => {
        const error = this.#error();
        if (error !== undefined) reject(error);
        // A timer may fire a little early, and waits only so long.
        else if (this.#deadline !== undefined) timer = setTimeout(look, Math.min(Math.ceil(this.#left!), TIMER_MAX_MS));
      };
      work.catch(() => {});
      const forget = onAbort(signal, look);
      look();
      work.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        forget();
      });
    });
  }
}

/** Of a call without an end of its own. */
export const NEVER_CANCELLED = new Cancellation({});

/** The cancellation of a call that begins now. Throws INPUT_INVALID, and ABORTED or TIMEOUT where it is over already. */
export function cancellationOf(options: CallOptions | undefined): Cancellation {
  if (options === undefined) return NEVER_CANCELLED;
  const cancellation = new Cancellation(options);
  cancellation.mustGoOn();
  return cancellation;
}
