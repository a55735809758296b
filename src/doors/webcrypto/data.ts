/** BufferSource in, ArrayBuffer out. */
import { bufferSource } from './webidl.ts';

/**
 * The bytes of a BufferSource, not copied: the session copies what it is given before it returns.
 * One that is detached has none, as the specification says, which it tells by its length.
 */
export function bytesOf(data: unknown, what = 'the data'): Uint8Array {
  const source = bufferSource(data, what);
  if (!ArrayBuffer.isView(source)) return source.byteLength === 0 ? new Uint8Array(0) : new Uint8Array(source);
  // A detached DataView has no byteLength to ask for.
  if (source.buffer.byteLength === 0) return new Uint8Array(0);
  return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

/** A result as a buffer of its own; it may be a secret, so that no second copy stays behind. */
export function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes.buffer;
  const own = new ArrayBuffer(bytes.length);
  new Uint8Array(own).set(bytes);
  bytes.fill(0);
  return own;
}
