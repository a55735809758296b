/**
 * Values as Web IDL converts them (https://webidl.spec.whatwg.org/#js-type-mapping), as far as WebCrypto's interface has them.
 * What does not convert is a TypeError.
 */
import { types } from 'node:util';

/** `what` names the value in the error. */
export type Convert<T> = (value: unknown, what: string) => T;

export const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

export const domString: Convert<string> = (value, what) => {
  if (typeof value === 'symbol') throw new TypeError(`${what} is a string`);
  return String(value);
};

/** An unsigned integer with [EnforceRange]: truncated, and refused outside its range. */
function enforced(max: number): Convert<number> {
  return (value, what) => {
    // Unary plus refuses a bigint, as ToNumber does; Number() takes it.
    const number = Math.trunc(+(value as number));
    if (!(number >= 0 && number <= max)) throw new TypeError(`${what} is a number from 0 to ${max}`);
    // No negative zero.
    return number + 0;
  };
}

export const octet = enforced(0xff);
export const unsignedShort = enforced(0xffff);
export const unsignedLong = enforced(0xffff_ffff);

const resizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable')?.get;

const bufferOf = (prototype: object) => Object.getOwnPropertyDescriptor(prototype, 'buffer')!.get!;
const ofData = bufferOf(DataView.prototype);
const ofElements = bufferOf(Object.getPrototypeOf(Uint8Array.prototype));

/** The buffer of a view as the engine has it, or what is none itself. */
export const viewed = <T>(value: T | ArrayBufferView<ArrayBuffer>): T | ArrayBuffer =>
  ArrayBuffer.isView(value) ? (types.isDataView(value) ? ofData : ofElements).call(value) : value;

/** A BufferSource, its bytes not looked at yet. Neither shared nor resizable memory is one. */
export const bufferSource: Convert<ArrayBuffer | ArrayBufferView<ArrayBuffer>> = (value, what) => {
  const buffer = viewed(value);
  if (!types.isArrayBuffer(buffer) || resizable?.call(buffer) === true) {
    throw new TypeError(`${what} is an ArrayBuffer of fixed length, or a view of one`);
  }
  return value as ArrayBuffer | ArrayBufferView<ArrayBuffer>;
};

/** An object, whose members are read later, or a string. */
export const algorithmIdentifier: Convert<object | string> = (value, what) =>
  isObject(value) ? value : domString(value, what);

/** One of these strings. */
export const oneOf =
  <const S extends string>(names: readonly S[]): Convert<S> =>
  (value, what) => {
    const text = domString(value, what);
    const name = names.find((each) => each === text);
    if (name === undefined) throw new TypeError(`${what} is one of ${names.join(', ')}`);
    return name;
  };

/** An array of what anything iterable has, a Set say; a string is not, since no object. */
export const sequence =
  <T>(convert: Convert<T>): Convert<T[]> =>
  (value, what) => {
    if (!isObject(value) || typeof (value as Iterable<unknown>)[Symbol.iterator] !== 'function') {
      throw new TypeError(`${what} is a list`);
    }
    const list: T[] = [];
    for (const each of value as Iterable<unknown>) list.push(convert(each, what));
    return list;
  };
