/**
 * Keeps a session: renews its ticket after two thirds of its life, and logs in again where a renewal reaches no further, or the
 * session is over.
 */
import { HsmError, type HsmErrorCode } from '../errors.ts';
import { background } from '../wire/clock.ts';
import { TICKET_LIFETIME } from '../wire/ticket.ts';

const RENEW_AFTER_MS = (2 / 3) * TICKET_LIFETIME;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

const OVER = new Set<HsmErrorCode>(['KEYCELL_SESSION_EXPIRED', 'KEYCELL_SESSION_REVOKED']);
/** Trying again would not help: with a password that is wrong, it would lock the user out. */
const FOR_GOOD = new Set<HsmErrorCode>(['KEYCELL_LOGIN_FAILED', 'KEYCELL_CLOSING', 'KEYCELL_TAMPERED']);

export interface Keeping {
  /** True where the new ticket's life is a whole one: the login's own end does not cut it. */
  renew(): Promise<boolean>;
  login(): Promise<void>;
}

export class KeepAlive {
  readonly #session: Keeping;
  readonly #onEnd: () => void;
  #pause = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `onEnd`: nothing is kept any more. */
  constructor(session: Keeping, onEnd: () => void) {
    this.#session = session;
    this.#onEnd = onEnd;
    this.#arm(RENEW_AFTER_MS, () => this.#renew());
  }

  /** Sealed: what there was is over, and waits for the next unseal. */
  rest(): void {
    clearTimeout(this.#timer);
    // A step that is under way is told by it that it shall not go on.
    this.#timer = undefined;
  }

  /** Ready again. */
  again(): void {
    this.#arm(0, () => this.#session.login());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#onEnd();
  }

  #arm(ms: number, step: () => Promise<void>): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    // It keeps no process: who has nothing else under way has no use for the session.
    this.#timer = background(setTimeout(() => void this.#take(step), ms));
  }

  async #take(step: () => Promise<void>): Promise<void> {
    const timer = this.#timer;
    let next: [number, () => Promise<void>] = [RENEW_AFTER_MS, () => this.#renew()];
    try {
      await step();
      this.#pause = FIRST_PAUSE_MS;
    } catch (error) {
      const code = error instanceof HsmError ? error.code : undefined;
      if (code !== undefined && FOR_GOOD.has(code)) {
        this.stop();
        return;
      }
      next = [this.#pause, step];
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    }
    // A seal or an unseal that came meanwhile has decided.
    if (this.#timer === timer) this.#arm(...next);
  }

  async #renew(): Promise<void> {
    try {
      if (await this.#session.renew()) return;
    } catch (error) {
      if (this.#stopped || !(error instanceof HsmError) || !OVER.has(error.code)) throw error;
    }
    await this.#session.login();
  }
}
