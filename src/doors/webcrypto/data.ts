/** BufferSource in, ArrayBuffer out. */
import { types } from 'node:util';

/** The bytes of a BufferSource, not copied: the session copies what it is given before it returns. */
export function bytesOf(data: unknown): Uint8Array {
  if (ArrayBuffer.isView(data) && types.isArrayBuffer(data.buffer)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (types.isArrayBuffer(data)) return new Uint8Array(data);
  throw new TypeError('expected an ArrayBuffer or a view of one');
}

/** A result as a buffer of its own; it may be a secret, so that no second copy stays behind. */
export function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes.buffer;
  const own = new ArrayBuffer(bytes.length);
  new Uint8Array(own).set(bytes);
  bytes.fill(0);
  return own;
}
