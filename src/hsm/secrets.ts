/** Secrets on their way in: copied into an ArrayBuffer of their own, outside the V8 heap, which whoever takes them wipes. */
import { HsmError } from '../errors.ts';
import type { Password, Secret } from '../model/hsm.ts';
import { isBytes, notThere, wipeGiven } from '../model/values.ts';
import { ownBytes, ownCopy, wipeAll } from '../wire/own.ts';

/** A copy that is ours to wipe. `wipe` overwrites the caller's array in the same tick. Throws INPUT_INVALID. */
export function takeBytes(bytes: Uint8Array, wipe = false): Uint8Array<ArrayBuffer> {
  let own: Uint8Array<ArrayBuffer>;
  try {
    own = ownCopy(bytes);
  } catch (error) {
    throw notThere(error);
  }
  if (wipe) wipeGiven(bytes);
  return own;
}

/** A caller's secret as bytes of our own; a function's result is always wiped. Throws INPUT_INVALID, with what a function threw. */
export async function takeSecret(secret: Secret, wipe = false): Promise<Uint8Array<ArrayBuffer>> {
  if (isBytes(secret)) return takeBytes(secret, wipe);
  if (typeof secret !== 'function')
    throw new HsmError('KEYCELL_INPUT_INVALID', 'a secret is a Uint8Array or a function');
  const given = await givenBy(secret);
  if (!isBytes(given)) throw new HsmError('KEYCELL_INPUT_INVALID', 'a secret is a Uint8Array');
  return takeBytes(given, true);
}

/** What the function threw is the cause, and its message, which is the caller's own, is told. */
async function givenBy(secret: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await secret();
  } catch (error) {
    if (error instanceof HsmError) throw error;
    const message: unknown =
      typeof error === 'object' && error !== null ? (error as Partial<Error>).message : undefined;
    const reason = typeof message === 'string' ? `: ${message}` : '';
    throw new HsmError('KEYCELL_INPUT_INVALID', `the function for a secret failed${reason}`, { cause: error });
  }
}

/** A password as bytes of our own, UTF-8 for strings; must not be empty. */
export async function takePassword(password: Password, wipe = false): Promise<Uint8Array<ArrayBuffer>> {
  const own = typeof password === 'string' ? encode(password) : await takeSecret(password, wipe);
  if (own.length === 0) throw new HsmError('KEYCELL_INPUT_INVALID', 'a passphrase or password is not empty');
  return own;
}

/**
 * Several, or none: where one is refused, the others are wiped. Arrays and strings are copied in this very tick; functions are
 * called one after another, since each may ask a person.
 */
export async function takePasswords(
  passwords: readonly Password[],
  wipe: boolean | undefined,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const copies = passwords.map((each) => (typeof each === 'function' ? each : takePassword(each, wipe)));
  const own: Uint8Array<ArrayBuffer>[] = [];
  let refusal: { readonly error: unknown } | undefined;
  for (const copy of copies) if (typeof copy !== 'function') copy.catch(() => {});
  for (const copy of copies) {
    if (refusal !== undefined && typeof copy === 'function') continue;
    try {
      own.push(await (typeof copy === 'function' ? takePassword(copy, wipe) : copy));
    } catch (error) {
      refusal ??= { error };
    }
  }
  if (refusal === undefined) return own;
  wipeAll(own);
  throw refusal.error;
}

/** What `check` returns. Where it throws, the call is refused, and those of its secrets that it was to wipe are wiped. */
export function wipedIfRefused<T>(passwords: readonly Password[], wipe: boolean | undefined, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (wipe) wipeUntaken(passwords);
    throw error;
  }
}

/** Of a call that is refused before its secrets are taken. */
export function wipeUntaken(passwords: readonly Password[]): void {
  for (const password of passwords) if (isBytes(password)) wipeGiven(password);
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  const room = ownBytes(3 * text.length);
  const { written } = new TextEncoder().encodeInto(text, room);
  const own = takeBytes(room.subarray(0, written));
  room.fill(0);
  return own;
}
