/** BufferSource in, ArrayBuffer out. */
import { types } from 'node:util';
import { bufferSource, viewed } from './webidl.ts';

/**
 * The bytes of a BufferSource, not copied: the session copies what it is given before it returns.
 * One that is detached has none, as the specification says, which it tells by its length.
 */
export function bytesOf(data: unknown, what = 'the data'): Uint8Array {
  const source = bufferSource(data, what);
  const buffer = viewed(source);
  if (byteLengthOf(buffer) === 0) return new Uint8Array(0);
  if (!ArrayBuffer.isView(source)) return new Uint8Array(buffer);
  const { byteOffset, byteLength } = types.isDataView(source) ? ofData : ofElements;
  return new Uint8Array(buffer, byteOffset.call(source), byteLength.call(source));
}

/** What the engine says: a subclass can have members of its own. */
const get = (prototype: object, name: string) => Object.getOwnPropertyDescriptor(prototype, name)!.get!;
const size = get(ArrayBuffer.prototype, 'byteLength');
const byteLengthOf = (buffer: ArrayBuffer): number => size.call(buffer);
const places = (prototype: object) => ({
  byteOffset: get(prototype, 'byteOffset'),
  byteLength: get(prototype, 'byteLength'),
});
const ofData = places(DataView.prototype);
const ofElements = places(Object.getPrototypeOf(Uint8Array.prototype));

/** A result as a buffer of its own; it may be a secret, so that no second copy stays behind. */
export function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes.buffer;
  const own = new ArrayBuffer(bytes.length);
  new Uint8Array(own).set(bytes);
  bytes.fill(0);
  return own;
}
