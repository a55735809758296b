import { readFileSync } from 'node:fs';

/** Which build the tests of the core look at: see vitest.config.ts. */
export const BUILD: 'plain' | 'relaxed' = process.env['KEYCELL_SIMD'] === 'relaxed' ? 'relaxed' : 'plain';
const FILE = new URL(`../../build/core${BUILD === 'plain' ? '' : '-relaxed'}.wasm`, import.meta.url);

/** Every export of the core that tests call: pointers and lengths are numbers. */
type Exports = Record<string, (...args: number[]) => number> & { memory: { buffer: ArrayBuffer } } & Record<
    'WINDOW' | 'REPLY' | 'SLOTS' | 'VAULT' | 'SLOT_SIZE' | 'SLOT_COUNT' | 'WINDOW_SIZE' | 'WORK',
    { value: number }
  >;

declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

/**
 * A fresh instance of the built core, with a bump allocator over its window for test inputs.
 * `place` copies bytes in at the next free address, plus `skew` bytes to make it odd; guard bytes of 0xA5 stand between.
 */
export function openCore(path = FILE) {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), {});
  const core = instance.exports as Exports;
  const memory = new Uint8Array(core.memory.buffer);
  let next = core.WINDOW.value;
  return {
    core,
    memory,
    reset() {
      memory.fill(0, core.WINDOW.value, next);
      next = core.WINDOW.value;
    },
    reserve(length: number, skew = 0): number {
      const ptr = next + 16 + skew;
      next = (ptr + length + 31) & ~15;
      memory.fill(0xa5, ptr - 16, next);
      return ptr;
    },
    place(bytes: Uint8Array, skew = 0): number {
      const ptr = this.reserve(bytes.length, skew);
      memory.set(bytes, ptr);
      return ptr;
    },
    read(ptr: number, length: number): Uint8Array<ArrayBuffer> {
      return memory.slice(ptr, ptr + length);
    },
    /** True if the 16 bytes before and after a region still hold their guard. */
    guarded(ptr: number, length: number): boolean {
      const ok = (from: number, to: number) => memory.subarray(from, to).every((b) => b === 0xa5);
      return ok(ptr - 16, ptr) && ok(ptr + length, ((ptr + length + 31) & ~15) - 0);
    },
  };
}

export const hex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, 'hex'));
