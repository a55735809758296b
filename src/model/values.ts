/**
 * What a caller's value is: by what the engine made it, whatever it says of itself (a subclass can have a `length` of its own)
 * and whichever realm it comes from (vm, jsdom), whose classes are not ours.
 */
import { HsmError } from '../errors.ts';

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const getter = (name: string | symbol) => Object.getOwnPropertyDescriptor(typedArray, name)!.get!;
const tag = getter(Symbol.toStringTag);
const length = getter('length');
const buffer = getter('buffer');
const byteOffset = getter('byteOffset');
const { at, fill } = Uint8Array.prototype;

/** Also of a subclass (Buffer), of another realm, or over shared memory; a proxy of one is none. */
export const isBytes = (value: unknown): value is Uint8Array => tag.call(value) === 'Uint8Array';

/** Its elements in truth; of one that is detached or out of bounds, V8 says this or that. */
export const lengthOf = (bytes: Uint8Array): number => length.call(bytes);

/**
 * A view of the same bytes that has no members but its own: what is read from it is there. Throws INPUT_INVALID where it is
 * detached or lies outside its buffer, which look empty, and must not pass for an empty message.
 */
export function plainView(bytes: Uint8Array): Uint8Array {
  try {
    // The engine's own check, which `length` and `byteOffset` do without.
    at.call(bytes, 0);
    return new Uint8Array(buffer.call(bytes), byteOffset.call(bytes), length.call(bytes));
  } catch (error) {
    throw notThere(error);
  }
}

const { getTime } = Date.prototype;

/** Also of another realm; a proxy of one is none. */
export function isDate(value: unknown): value is Date {
  if (typeof value !== 'object') return false;
  try {
    getTime.call(value as Date);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds since 1970, as the engine has them. */
export const timeOf = (date: Date): number => getTime.call(date);

/** Zero a caller's bytes; of an array that is detached or out of bounds, nothing is left to wipe. */
export function wipeGiven(bytes: Uint8Array): void {
  try {
    fill.call(bytes, 0);
  } catch {}
}

/** What the engine said when it was to read a caller's bytes. */
export const notThere = (cause: unknown): HsmError =>
  new HsmError('KEYCELL_INPUT_INVALID', 'an input is detached, or lies outside its buffer', { cause });
