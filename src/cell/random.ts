/**
 * Randomness of a cell or the warden: HMAC_DRBG, reseeded from the kernel and with what tells a copy of this machine apart
 * (entropy.ts): in every batch, before it gives the first byte; outside of batches whenever something is drawn.
 */
import { Refusal } from '../errors.ts';
import { ID_SIZE, toHex, ZERO_ID } from '../wire/fields.ts';
import type { Arena } from './arena.ts';
import { type Core, IntegrityError } from './core.ts';
import { DISTINCTION_SIZE, Entropy } from './entropy.ts';

/** Security strength 256: entropy 32 bytes, and half of it again as nonce (SP 800-90A §8.6.7). */
const SEED_SIZE = 48;
const RESEED_ENTROPY_SIZE = 32;
/**
 * Entropy, then additional input. With the 33 bytes that HMAC_DRBG puts before them they fill two blocks of SHA-256, so that
 * the latter costs no compression more.
 */
const RESEED_SIZE = RESEED_ENTROPY_SIZE + DISTINCTION_SIZE;
/** SP 800-90A table 2: at most 2^19 bits a request. */
const REQUEST_MAX = 65536;
/** What a batch's requests mostly want is an IV, an id or a seed; more goes to the generator itself. */
const SMALL = 48;
/** The most of it that a request wants: a new key, its id and its record's seed. */
const ROOM = 80;
/** The most that is drawn at a time for small wants: the generator's request costs as much as 100 bytes of it. */
const DRAW_MAX = 1024;
/** The least that is drawn by a batch that wants more than the last one did. */
const DRAW_MORE = 128;
/** The noise of a signature on the longest curve. */
const NOISE_SIZE = 48;

export class Random {
  readonly #core: Core;
  readonly #work: Arena;
  readonly #entropy: Entropy;
  readonly #personal: string;
  /** Drawn for the batch in hand and not given yet: [next, drawn) of a room in working memory, [room, roomEnd). */
  #room = 0;
  #next = 0;
  #drawn = 0;
  #roomEnd = 0;
  #requests = 0;
  /** What a request of the last batch wanted of it: batches are mostly alike. */
  #wanted = SMALL;
  /** Where the batch's noise lies, and how many signatures have it. */
  #noise = 0;
  #noises = 0;
  /** The batch in hand has had nothing yet. */
  #reseedDue = false;

  /** `personal` tells one generator from another; it need not be secret. */
  constructor(core: Core, work: Arena, personal: string, entropy = new Entropy()) {
    this.#core = core;
    this.#work = work;
    this.#personal = personal;
    this.#entropy = entropy;
    this.restart();
  }

  /** A new state from the kernel: at the start, and after a seal wiped the old one. */
  restart(): void {
    const core = this.#core;
    const work = this.#work;
    const mark = work.mark();
    const seed = work.take(SEED_SIZE);
    this.#entropy.restart();
    this.#entropy.read(core, seed, SEED_SIZE);
    const text = new TextEncoder().encode(this.#personal);
    const length = DISTINCTION_SIZE + text.length;
    const personal = work.take(length);
    this.#entropy.distinguish(core, personal);
    core.bytes.set(text, personal + DISTINCTION_SIZE);
    if (core.call.drbgInstantiate(seed, SEED_SIZE, personal, length) !== 1) {
      throw new IntegrityError('the generator did not start');
    }
    core.bytes.fill(0, seed, personal + length);
    work.release(mark);
  }

  /**
   * A new seed where one is due: in a batch through its own room, of which nothing was given yet, so that a batch that fills
   * working memory finds it all the same.
   */
  #reseed(): void {
    if (this.#roomEnd === 0) {
      const mark = this.#work.mark();
      this.#reseedThrough(this.#work.take(RESEED_SIZE));
      this.#work.release(mark);
    } else if (this.#reseedDue) {
      this.#reseedThrough(this.#next);
      this.#reseedDue = false;
    }
  }

  #reseedThrough(seed: number): void {
    const core = this.#core;
    const additional = seed + RESEED_ENTROPY_SIZE;
    this.#entropy.read(core, seed, RESEED_ENTROPY_SIZE);
    this.#entropy.distinguish(core, additional);
    if (core.call.drbgReseed(seed, RESEED_ENTROPY_SIZE, additional, DISTINCTION_SIZE) !== 1) {
      throw new IntegrityError('the generator failed');
    }
    core.bytes.fill(0, seed, seed + RESEED_SIZE);
  }

  /**
   * A batch of so many requests: what it wants comes from a new seed. The room for that lies in working memory below all
   * that the batch takes, and is wiped with it; `endBatch` forgets it.
   */
  beginBatch(requests: number): void {
    this.#reseedDue = true;
    this.#requests = requests;
    this.#noise = this.#work.take(NOISE_SIZE);
    const room = ROOM * (requests + 1);
    this.#room = this.#next = this.#drawn = this.#work.take(room);
    this.#roomEnd = this.#room + room;
  }

  endBatch(): void {
    if (this.#next > this.#room) this.#wanted = (this.#next - this.#room) / this.#requests;
    this.#room = this.#next = this.#drawn = this.#roomEnd = 0;
    this.#noise = this.#noises = 0;
    // It goes through the batch's room; what is drawn between batches needs none.
    this.#reseedDue = false;
  }

  /**
   * The address of noise for the nonce of a signature: what was drawn for the batch, with the signature's number in it. Nobody
   * learns it, and assembly/ec/nonce.ts hashes it with the private key, so noise that differs in a bit makes nonces that tell
   * nothing of each other. Drawing for each is rejected: it would take a twentieth of a signature's time.
   */
  noise(length: number): number {
    const { view } = this.#core;
    const at = this.#work.take(length);
    if (this.#noises === 0) this.#generate(this.#noise, NOISE_SIZE);
    for (let i = 0; i < length; i += 4) view.setInt32(at + i, view.getInt32(this.#noise + i));
    view.setInt32(at, view.getInt32(at) ^ this.#noises++);
    return at;
  }

  /** Fill memory at `at` with random bytes. */
  fill(at: number, length: number): void {
    if (length > SMALL || !this.#has(length)) {
      this.#generate(at, length);
      return;
    }
    // One by one: for so few bytes V8's own ways take as long as the rest of this.
    const { bytes } = this.#core;
    for (let i = 0; i < length; i++) {
      bytes[at + i] = bytes[this.#next + i]!;
      bytes[this.#next + i] = 0;
    }
    this.#next += length;
  }

  /** The address of random bytes that nobody else is given: in working memory, and gone with the batch. */
  draw(length: number): number {
    if (length <= SMALL && this.#has(length)) {
      this.#next += length;
      return this.#next - length;
    }
    const at = this.#work.take(length);
    this.#generate(at, length);
    return at;
  }

  /** Are so many bytes drawn, or can they be? */
  #has(length: number): boolean {
    if (this.#next + length <= this.#drawn) return true;
    if (this.#next + length > this.#roomEnd) return false;
    const expected = this.#room + Math.ceil(this.#wanted * this.#requests) - this.#drawn;
    const draw = expected >= length ? expected : Math.max(length, DRAW_MORE);
    const more = Math.min(draw, DRAW_MAX, this.#roomEnd - this.#drawn);
    this.#generate(this.#drawn, more);
    this.#drawn += more;
    return true;
  }

  #generate(at: number, length: number): void {
    this.#reseed();
    if (length > 16 * REQUEST_MAX) throw new Refusal('KEYCELL_LIMIT_EXCEEDED');
    for (let done = 0; done < length; done += REQUEST_MAX) {
      if (this.#core.call.drbgGenerate(at + done, Math.min(REQUEST_MAX, length - done), 0, 0) !== 1) {
        throw new IntegrityError('the generator failed');
      }
    }
  }

  /** Public random bytes: salts, nonces, ids. Never a key. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const mark = this.#work.mark();
    const at = this.#work.take(length);
    this.fill(at, length);
    const bytes = this.#core.bytes.slice(at, at + length);
    this.#work.release(mark);
    return bytes;
  }

  /** An id: 16 random bytes, never all zero. */
  id(): string {
    const id = toHex(this.bytes(ID_SIZE));
    return id === ZERO_ID ? this.id() : id;
  }

  close(): void {
    this.#entropy.close();
  }
}
