/** A build of the crypto core in this very thread, with places for inputs in its memory. */
import { readFileSync } from 'node:fs';
import { CORE_FILES, chooseBuild } from '../../dist/cell/builds.js';

const FOLDER = new URL('../../dist/cell/', import.meta.url);
const LINE = 64;

export class Core {
  /** @param {string | undefined} wanted plain or relaxed; what this machine gets unless given. */
  constructor(wanted) {
    const asked = [];
    const { core } = chooseBuild((file) => {
      asked.push(file);
      return readFileSync(new URL(file, FOLDER));
    }, wanted);
    /** @type {'plain' | 'relaxed'} */
    this.build = asked.includes(CORE_FILES.relaxed) ? 'relaxed' : 'plain';
    this.call = new WebAssembly.Instance(new WebAssembly.Module(core), {}).exports;
    this.bytes = new Uint8Array(this.call.memory.buffer);
    this.view = new DataView(this.call.memory.buffer);
    this.start = this.call.WINDOW.value;
    this.reset();
    this.call.ecInit();
    const seed = this.place(crypto.getRandomValues(new Uint8Array(48)));
    this.call.drbgInstantiate(seed, 48, 0, 0);
  }

  /** Forget all places. */
  reset() {
    this.next = this.start;
  }

  reserve(length) {
    const at = this.next;
    this.next = (at + length + LINE - 1) & -LINE;
    return at;
  }

  place(bytes) {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
    return at;
  }

  read(at, length) {
    return Buffer.from(this.bytes.subarray(at, at + length));
  }

  /** An expanded AES key. */
  aes(key) {
    const ctx = this.reserve(this.call.AES_CTX_SIZE.value);
    if (this.call.aesExpandKey(ctx, this.place(key), key.length) !== 1) throw new Error('the key was not expanded');
    return ctx;
  }

  /** Jobs for a batch kernel: rows of u32. */
  jobs(/** @type {readonly (readonly number[])[]} */ rows) {
    const at = this.reserve(4 * rows.length * rows[0].length);
    rows.flat().forEach((word, i) => {
      this.view.setUint32(at + 4 * i, word, true);
    });
    return at;
  }
}
