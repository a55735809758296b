/**
 * The right to encrypt under a stream's header, as a MAC that goes with every segment.
 *
 * Cells keep nothing between two segments, so the header that one cell drew comes back from the caller with the next.
 * Without the MAC callers could send a header of their choice: that of somebody's stream, to put a segment of their own in
 * the place of one of its segments, with the right to encrypt alone. So a cell encrypts only under a salt that a cell drew
 * for this very session: all segments of a stream were written by one.
 */
import { fromHex, ID_SIZE } from '../wire/fields.ts';
import { STREAM_HEADER_SIZE } from '../wire/stream.ts';
import type { Arena } from './arena.ts';
import type { Core } from './core.ts';
import type { Vault } from './vault.ts';

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
    this.#vault.mac('stream', body, BODY_SIZE, output);
    this.#work.release(mark);
  }

  /** Is this the grant of this session for this header? */
  holds(session: string, header: number, grant: number): boolean {
    const mark = this.#work.mark();
    const body = this.#body(session, header);
    const holds = this.#vault.hasMac('stream', body, BODY_SIZE, grant);
    this.#work.release(mark);
    return holds;
  }

  #body(session: string, header: number): number {
    const { bytes } = this.#core;
    const at = this.#work.take(BODY_SIZE);
    bytes.set(fromHex(session, ID_SIZE), at);
    bytes.copyWithin(at + ID_SIZE, header, header + STREAM_HEADER_SIZE);
    return at;
  }
}
