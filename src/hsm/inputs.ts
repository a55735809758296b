/** What callers hand in: the types promise it, JavaScript does not. */
import { HsmError, REASONS, type Reason, unreadable } from '../errors.ts';
import type { CallOptions } from '../model/hsm.ts';
import { LABEL_MAX, USER_NAME_MAX } from '../model/limits.ts';
import { textFault } from '../model/text.ts';
import { isBytes, lengthOf, notThere, plainView } from '../model/values.ts';
import { takeBytes } from './secrets.ts';

export const NOTHING = new Uint8Array(0);
export const invalid = (detail: string) => new HsmError('KEYCELL_INPUT_INVALID', detail);
export const limitExceeded = (reason: Reason) => new HsmError('KEYCELL_LIMIT_EXCEEDED', REASONS[reason][1]);

/** An options bag, a handle or a template. Throws INPUT_INVALID. */
export function object<T>(value: T, what: string): T {
  if (typeof value !== 'object' || value === null) throw invalid(`${what} is an object`);
  return value;
}

const NO_BYTES = 'inputs are Uint8Array';

/** A plain view of what is read in this tick: the caller may change or detach his array later. Throws INPUT_INVALID. */
export function viewOf(bytes: Uint8Array): Uint8Array {
  if (!isBytes(bytes)) throw invalid(NO_BYTES);
  return plainView(bytes);
}

/** The longest that a timer of Node waits: it takes more for a millisecond. */
export const TIMER_MAX_MS = 2 ** 31 - 1;
const TIMEOUT = 'timeout is a number of milliseconds, at most 2^53 - 1; leave it out for none';

/** What every call takes. A time that is over already is no wrong one: whoever shares a budget among calls may have none left. */
export function checkCall(signal: unknown, timeout: unknown): void {
  if (signal !== undefined && !isSignal(signal)) throw invalid('signal is an AbortSignal');
  const right = typeof timeout === 'number' && Math.abs(timeout) <= Number.MAX_SAFE_INTEGER;
  if (timeout !== undefined && !right) throw invalid(TIMEOUT);
}

/** The same of an options bag, read once. */
export function callOf(options: CallOptions): CallOptions {
  const { signal, timeout } = object(options, 'options');
  checkCall(signal, timeout);
  return { ...(signal !== undefined && { signal }), ...(timeout !== undefined && { timeout }) };
}

/** The end of a caller's signal, told to `listener`; returns what ends that, and never throws. Throws INPUT_INVALID. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  try {
    signal?.addEventListener('abort', listener);
  } catch (error) {
    throw unreadable(error, 'signal');
  }
  return () => {
    try {
      signal?.removeEventListener('abort', listener);
    } catch {}
  };
}

/** What is read of a caller's values. Throws INPUT_INVALID with what one of them threw. */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * A call that reads all that it is given before it returns its promise: whatever that throws is refused, and after it nothing is
 * asked of the caller. What comes by the hundred thousand makes one promise a call, the batcher's own: an async function would
 * add another. The commonest calls do this by hand, and spare the closure.
 */
export function promised<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(unreadable(error));
  }
}

/** Also one of another realm (vm, jsdom), which has a class of its own. */
function isSignal(signal: unknown): signal is AbortSignal {
  if (signal instanceof AbortSignal) return true;
  if (typeof signal !== 'object' || signal === null) return false;
  const { aborted, addEventListener, removeEventListener } = signal as Partial<AbortSignal>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}

const SLAB_SIZE = 64 * 1024;
const SMALL = 4096;
let slab = new Uint8Array(SLAB_SIZE);
let slabUsed = 0;

/**
 * A copy of a public input: the caller may change his array as soon as the call has returned. Small ones lie side by side,
 * since an ArrayBuffer for each would cost 0.3 µs and the collector's time.
 */
export function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isBytes(bytes)) throw invalid(NO_BYTES);
  const length = lengthOf(bytes);
  try {
    // Both ways of copying ask the engine whether the bytes are there, and neither goes by what the array says of itself.
    if (length > SMALL) return new Uint8Array(bytes);
    if (slabUsed + length > SLAB_SIZE) {
      slab = new Uint8Array(SLAB_SIZE);
      slabUsed = 0;
    }
    const own = slab.subarray(slabUsed, slabUsed + length);
    own.set(bytes);
    slabUsed += length;
    return own;
  } catch (error) {
    throw notThere(error);
  }
}

/** A whole number in its range; the error says which of the two it is not. Throws INPUT_INVALID. */
export function whole(value: unknown, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalid(`${name} is a whole number, ${range}`);
  if (value < least || value > most) throw invalid(`${name} is ${range}, not ${value}`);
  return value;
}

/** The items of a caller's list, each read once, whatever it says of itself later. Throws INPUT_INVALID, LIMIT_EXCEEDED. */
export function listOf<T>(list: readonly T[], name: string, max: number): T[] {
  if (!Array.isArray(list)) throw invalid(`${name} is an array`);
  const { length } = list;
  if (length > max) throw new HsmError('KEYCELL_LIMIT_EXCEEDED', `at most ${max} ${name} a call`);
  // Only that of a proxy is anything else.
  if (!Number.isSafeInteger(length) || length < 0) throw invalid(`${name} is an array`);
  // By hand: `Array.from` takes ten times as long for a list of two, and unwrapKey reads one.
  const own: T[] = [];
  for (let i = 0; i < length; i++) own.push(list[i]!);
  return own;
}

/** What is true or false: another value would count as one of them, and 'false' as true. Throws INPUT_INVALID. */
export function flag(value: unknown, name: string, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value === 'boolean') return value;
  throw invalid(`${name} is true or false`);
}

/** What people will tell a key or a user by. Throws INPUT_INVALID. */
function textOf(text: unknown, what: string, max: number): string {
  if (typeof text !== 'string' || text.length < 1 || text.length > max) {
    throw invalid(`${what} is a string of 1 to ${max} characters`);
  }
  const fault = textFault(text);
  if (fault !== undefined) throw invalid(`${what} has ${fault}`);
  return text;
}

/** The name of a new user. Throws INPUT_INVALID. */
export const nameOf = (name: unknown): string => textOf(name, 'name', USER_NAME_MAX);

/** The label of a key that is made or renamed. Throws INPUT_INVALID. */
export const labelOf = (label: unknown): string => textOf(label, 'label', LABEL_MAX);

/** A copy of a public input that may be left out. */
export const copyOf = (bytes: Uint8Array | undefined): Uint8Array<ArrayBuffer> =>
  bytes === undefined ? NOTHING : copy(bytes);

/** The same of one that may have so many bytes. Throws LIMIT_EXCEEDED with the reason, before it copies. */
export function boundedCopy(bytes: Uint8Array | undefined, max: number, reason: Reason): Uint8Array<ArrayBuffer> {
  if (bytes === undefined) return NOTHING;
  if (isBytes(bytes) && lengthOf(bytes) > max) throw limitExceeded(reason);
  return copy(bytes);
}

/** A copy of a secret, in an ArrayBuffer of its own; wiped by the pool when the request has settled. */
export function secretCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isBytes(bytes)) throw invalid(NO_BYTES);
  return takeBytes(bytes);
}
