/**
 * The right to encrypt under a stream's header, as a MAC that goes with every segment.
 *
 * Cells keep nothing between two segments, so the header that one cell drew comes back from the caller with the next.
 * Without the MAC he could send a header of his choice: that of somebody's stream, to learn its keystream with the right
 * to encrypt alone, or his own of another day. So a cell encrypts only under a nonce that a cell drew for this very session.
 */
import { fromHex, ID_SIZE } from '../wire/fields.ts';
import { STREAM_GRANT_SIZE, STREAM_HEADER_SIZE } from '../wire/stream.ts';
import type { Arena } from './arena.ts';
import { type Core, HASH } from './core.ts';
import { PURPOSE_KEY_SIZE, type Vault } from './vault.ts';

const BODY_SIZE = ID_SIZE + STREAM_HEADER_SIZE;

export class Grants {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #vault: Vault;

  constructor(core: Core, work: Arena, vault: Vault) {
    this.#core = core;
    this.#work = work;
    this.#vault = vault;
  }

  /** Write the grant of this session for the header at `header`. */
  issue(session: string, header: number, output: number): void {
    const mark = this.#work.mark();
    const body = this.#body(session, header);
    this.#core.call.hmac(HASH.sha256, this.#vault.key('stream'), PURPOSE_KEY_SIZE, body, BODY_SIZE, output);
    this.#work.release(mark);
  }

  /** Is this the grant of this session for this header? */
  holds(session: string, header: number, grant: number): boolean {
    const { call } = this.#core;
    const mark = this.#work.mark();
    const body = this.#body(session, header);
    const key = this.#vault.key('stream');
    const okBit = call.hmacVerify(HASH.sha256, key, PURPOSE_KEY_SIZE, body, BODY_SIZE, grant, STREAM_GRANT_SIZE);
    this.#work.release(mark);
    return okBit === 1;
  }

  #body(session: string, header: number): number {
    const { bytes } = this.#core;
    const at = this.#work.take(BODY_SIZE);
    bytes.set(fromHex(session, ID_SIZE), at);
    bytes.copyWithin(at + ID_SIZE, header, header + STREAM_HEADER_SIZE);
    return at;
  }
}
