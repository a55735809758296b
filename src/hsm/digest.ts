/**
 * Messages that come in pieces, for sign and verify.
 *
 * ECDSA signs a digest, so the pieces are hashed as they come, here and not in a cell. That stays within the boundary:
 * message and digest are public, hashing needs no key, and a cell signs whatever digest its caller names (`prehashed`), so
 * it never vouched for more. A MAC needs its key from the first byte: there the pieces are gathered, up to one message.
 */
import { createHash } from 'node:crypto';
import { HsmError, REASONS, unreadable } from '../errors.ts';
import { CURVE } from '../model/algorithms.ts';
import type { CallOptions, SigningKey, SignOptions } from '../model/hsm.ts';
import type { Curve, HashName } from '../model/key.ts';
import { MESSAGE_MAX } from '../model/limits.ts';
import { isBytes } from '../model/values.ts';
import { background } from '../wire/clock.ts';
import { invalid, onAbort, reading, TIMER_MAX_MS, viewOf } from './inputs.ts';

export type Pieces = AsyncIterable<Uint8Array>;

const NODE_NAMES: Readonly<Record<HashName, string>> = {
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

export const inPieces = (message: Uint8Array | Pieces): message is Pieces =>
  !isBytes(message) && typeof message === 'object' && message !== null && Symbol.asyncIterator in message;

/**
 * The pieces as one message to sign or verify, and the options to do it with. The call's signal and time hold for its pieces, too. Throws INPUT_INVALID
 * with what the iterable threw, ABORTED, TIMEOUT, LIMIT_EXCEEDED.
 */
export async function wholeOf(
  key: SigningKey,
  pieces: Pieces,
  options: SignOptions,
): Promise<{ readonly message: Uint8Array; readonly options: SignOptions }> {
  if (options.prehashed) throw invalid('a prehashed message comes in one piece');
  const started = performance.now();
  const hash = reading(() => (key.type === 'EC' ? (options.hash ?? hashOf(key.curve)) : undefined));
  const prehashed = hash !== undefined;
  const message = prehashed ? await digestOf(hash, pieces, options) : await gather(pieces, options);
  const timeout = options.timeout === undefined ? {} : { timeout: options.timeout - (performance.now() - started) };
  return { message, options: { ...options, ...timeout, ...(prehashed && { prehashed }) } };
}

/** Of a handle that a caller may have made. */
function hashOf(curve: Curve): HashName {
  if (!Object.hasOwn(CURVE, curve)) throw new HsmError('KEYCELL_MECHANISM_INVALID', REASONS.curve[1]);
  return CURVE[curve].hash;
}

async function digestOf(hash: HashName, pieces: Pieces, options: CallOptions): Promise<Uint8Array> {
  const digest = createHash(NODE_NAMES[hash]);
  await each(pieces, options, (piece) => digest.update(piece));
  return digest.digest();
}

async function gather(pieces: Pieces, options: CallOptions): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let length = 0;
  await each(pieces, options, (piece) => {
    length += piece.length;
    if (length > MESSAGE_MAX) throw new HsmError('KEYCELL_LIMIT_EXCEEDED');
    // A source may use its buffer again for the next piece.
    all.push(new Uint8Array(piece));
  });
  return Buffer.concat(all, length);
}

/** Every piece in turn, until the end, an error, or the end of the call. The iterator is told where it is not read to its end. */
async function each(pieces: Pieces, options: CallOptions, take: (piece: Uint8Array) => void): Promise<void> {
  const { signal, timeout } = options;
  let stop = (_: HsmError): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  stopped.catch(() => {});
  const aborted = (): void => stop(new HsmError('KEYCELL_ABORTED', undefined, { cause: signal?.reason }));
  const late = (): void => stop(new HsmError('KEYCELL_TIMEOUT'));
  const timer = timeout === undefined ? undefined : background(setTimeout(late, Math.min(timeout, TIMER_MAX_MS)));
  let forget = (): void => {};
  let iterator: AsyncIterator<Uint8Array> | undefined;
  try {
    forget = onAbort(signal, aborted);
    if (signal?.aborted) aborted();
    iterator = pieces[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([stopped, iterator.next()]);
      if (next.done) return;
      take(viewOf(next.value));
    }
  } catch (error) {
    // Not waited for: a source that hangs would hang here again.
    (async () => iterator?.return?.())().catch(() => {});
    throw unreadable(error, 'the message');
  } finally {
    clearTimeout(timer);
    forget();
  }
}
