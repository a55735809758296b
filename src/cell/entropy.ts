/** What a generator is seeded with: the kernel's bytes, and besides them what tells two copies of this machine apart. */
import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ownBytes } from '../wire/own.ts';
import { type Core, IntegrityError } from './core.ts';

const KERNEL = '/dev/urandom';
/** Character device 1:9 as st_rdev has it; elsewhere than on Linux it has other numbers. */
const LINUX_URANDOM = 0x109;
/** A FIFO in the device's place would hold whoever opens it, and a terminal would take charge of the process. */
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

const OTHER_SIZE = 32;
/** node:crypto is asked for 32 seeds at a time: a call takes some 10 µs, a tenth of a batch of small messages. */
const OTHER_AHEAD = 32 * OTHER_SIZE;
/** node:crypto's bytes (32), the clock (8), the monotonic clock (8), the process (4). */
export const DISTINCTION_SIZE = OTHER_SIZE + 20;

export class Entropy {
  readonly #device: number;
  /** node:crypto's bytes that no seed has had: the last #otherLeft of these. */
  readonly #other = ownBytes(OTHER_AHEAD);
  #otherLeft = 0;

  /** Throws IntegrityError where something else stands in the place of the kernel's generator. */
  constructor(path = KERNEL) {
    this.#device = openSync(path, OPEN);
    const stat = fstatSync(this.#device);
    if (stat.isCharacterDevice() && (process.platform !== 'linux' || stat.rdev === LINUX_URANDOM)) return;
    closeSync(this.#device);
    throw new IntegrityError(`${path} is not the kernel's generator (character device 1:9): put the device back`);
  }

  /** The kernel's bytes go straight into linear memory: node:crypto's own generator is one more state in the process. */
  read(core: Core, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const got = readSync(this.#device, core.bytes, at + done, length - done, null);
      if (got === 0) throw new IntegrityError('the kernel gave no randomness');
      done += got;
    }
  }

  /**
   * DISTINCTION_SIZE bytes for a seed's side, as SP 800-90A's additional input: nothing rests on their being secret. A machine
   * that is copied while it runs has the same generator twice, and for a while the same kernel: then time tells them apart.
   * A file in the place of our descriptor, which some other code of the process closed, leaves node:crypto's.
   */
  distinguish(core: Core, at: number): void {
    this.#takeOther(core.bytes, at);
    core.view.setFloat64(at + OTHER_SIZE, Date.now());
    core.view.setFloat64(at + OTHER_SIZE + 8, performance.now());
    core.view.setUint32(at + OTHER_SIZE + 16, process.pid);
  }

  #takeOther(bytes: Uint8Array, at: number): void {
    const other = this.#other;
    if (this.#otherLeft === 0) {
      randomFillSync(other);
      this.#otherLeft = OTHER_AHEAD;
    }
    const from = OTHER_AHEAD - this.#otherLeft;
    for (let i = 0; i < OTHER_SIZE; i++) {
      bytes[at + i] = other[from + i]!;
      other[from + i] = 0;
    }
    this.#otherLeft -= OTHER_SIZE;
  }

  /** Forget what was drawn ahead: after a seal nothing of before is used. */
  restart(): void {
    this.#other.fill(0);
    this.#otherLeft = 0;
  }

  close(): void {
    this.restart();
    closeSync(this.#device);
  }
}
