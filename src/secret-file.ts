/**
 * A secret in a file, one reader for the library and the command line: whoever sets a passphrase with one of them opens
 * the HSM with the other.
 */
import { closeSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { lacksDescriptors } from './descriptors.ts';
import { HsmError } from './errors.ts';
import { ownBytes, ownCopy } from './wire/own.ts';

const SECRET_BYTES_MAX = 65536;
const LF = 10;
const CR = 13;
const readInto = promisify(read);

/** What an open file or pipe holds, but one newline at its end; the caller wipes it. Throws KEYCELL_INPUT_INVALID. */
export async function readSecret(fd: number): Promise<Uint8Array<ArrayBuffer>> {
  const room = ownBytes(SECRET_BYTES_MAX + 1);
  try {
    let filled = 0;
    for (;;) {
      const { bytesRead } = await readInto(fd, room, filled, room.length - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
      if (filled > SECRET_BYTES_MAX) {
        throw new HsmError('KEYCELL_INPUT_INVALID', `a secret has at most ${SECRET_BYTES_MAX} bytes`);
      }
    }
    return ownCopy(room.subarray(0, lengthOf(room, filled)));
  } finally {
    room.fill(0);
  }
}

/** One line feed, or carriage return and line feed, at the end is what an editor or `echo` puts there. */
function lengthOf(secret: Uint8Array, length: number): number {
  if (length === 0 || secret[length - 1] !== LF) return length;
  return length > 1 && secret[length - 2] === CR ? length - 2 : length - 1;
}

/** The same of a file by its name. Throws KEYCELL_INPUT_INVALID, also where it can't be read or is empty. */
export async function readSecretFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  let secret: Uint8Array<ArrayBuffer>;
  try {
    const fd = openSync(path, 'r');
    try {
      secret = await readSecret(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (cause instanceof HsmError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    if (lacksDescriptors(cause)) throw new HsmError('KEYCELL_STORE_UNAVAILABLE', text, { cause });
    throw new HsmError('KEYCELL_INPUT_INVALID', `the secret's file can't be read: ${text}`, { cause });
  }
  // Shorter than any passphrase, and mostly a file that was made and never filled.
  if (secret.length === 0) throw new HsmError('KEYCELL_INPUT_INVALID', `the secret in ${path} is empty`);
  return secret;
}
