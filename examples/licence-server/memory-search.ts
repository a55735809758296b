/** Look for byte strings in another process's memory, all that it can read: Linux's /proc/<pid>/mem. */
import { open, readFile } from 'node:fs/promises';

export type MemorySearch =
  | { readonly available: false; readonly reason: string }
  | {
      readonly available: true;
      /** How often each needle was found, in the order given. */
      readonly copies: readonly number[];
      readonly bytesRead: number;
      /** Ranges that the kernel doesn't let anybody read (device memory, say). */
      readonly unreadable: number;
    };

const CHUNK = 4 << 20;
const NEEDLE = 16;

/** Needles of 16 bytes. The process must be our child, or we root. */
export async function searchMemory(pid: number, needles: readonly Uint8Array[]): Promise<MemorySearch> {
  if (process.platform !== 'linux') return { available: false, reason: `not on ${process.platform}` };
  let maps: string;
  let memory: Awaited<ReturnType<typeof open>>;
  try {
    maps = await readFile(`/proc/${pid}/maps`, 'latin1');
    memory = await open(`/proc/${pid}/mem`, 'r');
  } catch (error) {
    return { available: false, reason: `this system forbids it (${(error as NodeJS.ErrnoException).code})` };
  }
  try {
    const finder = new Finder(needles);
    const window = Buffer.alloc(CHUNK + NEEDLE - 1);
    let [bytesRead, unreadable] = [0, 0];
    for (const { start, end } of readableRanges(maps)) {
      let kept = 0; // the end of what came before stays in front, for a needle that lies across
      for (let at = start; at < end; ) {
        let read: number;
        try {
          ({ bytesRead: read } = await memory.read(window, kept, Math.min(CHUNK, end - at), at));
        } catch {
          read = 0; // EIO: a page that can't be read (or was unmapped meanwhile) ends this range
        }
        if (read === 0) {
          unreadable++;
          break;
        }
        finder.look(window, kept + read);
        bytesRead += read;
        at += read;
        const keep = Math.min(NEEDLE - 1, kept + read);
        window.copyWithin(0, kept + read - keep, kept + read);
        kept = keep;
      }
    }
    return { available: true, copies: finder.copies, bytesRead, unreadable };
  } finally {
    await memory.close();
  }
}

function* readableRanges(maps: string): Iterable<{ start: number; end: number }> {
  for (const [, start, end, rest] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r(.*)$/gm)) {
    if (rest!.includes('[vvar') || rest!.includes('[vsyscall]')) continue; // the kernel's own
    yield { start: Number.parseInt(start!, 16), end: Number.parseInt(end!, 16) };
  }
}

/** Many needles in one pass: at each byte the last three ask a bitmap, and only its rare yes looks further. */
class Finder {
  readonly copies: number[];
  readonly #bitmap = new Uint8Array(1 << 21);
  readonly #byPrefix = new Map<number, { index: number; needle: Uint8Array }[]>();

  constructor(needles: readonly Uint8Array[]) {
    this.copies = needles.map(() => 0);
    needles.forEach((needle, index) => {
      if (needle.length !== NEEDLE) throw new RangeError('needles are 16 bytes long');
      const prefix = (needle[0]! << 16) | (needle[1]! << 8) | needle[2]!;
      this.#bitmap[prefix >>> 3]! |= 1 << (prefix & 7);
      const same = this.#byPrefix.get(prefix);
      if (same) same.push({ index, needle });
      else this.#byPrefix.set(prefix, [{ index, needle }]);
    });
  }

  look(window: Buffer, length: number): void {
    const bitmap = this.#bitmap;
    let prefix = (window[0]! << 8) | window[1]!;
    for (let at = 2; at < length; at++) {
      prefix = ((prefix << 8) | window[at]!) & 0xffffff;
      if ((bitmap[prefix >>> 3]! >>> (prefix & 7)) & 1) this.#compare(window, length, at - 2, prefix);
    }
  }

  #compare(window: Buffer, length: number, at: number, prefix: number): void {
    if (at + NEEDLE > length) return;
    const found = window.subarray(at, at + NEEDLE);
    for (const { index, needle } of this.#byPrefix.get(prefix)!) {
      if (found.equals(needle)) this.copies[index]! += 1;
    }
  }
}
