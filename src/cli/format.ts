/** What a ciphertext says of itself (docs/formats.md): enough to choose how to open it, and with which key. */
import { UsageError } from './failure.ts';

export interface Format {
  readonly format: 'stream' | 'envelope';
  /** 32 hex digits. A claim: only the decryption shows whether it is true. */
  readonly keyId: string;
}

const MAGICS: Record<string, Format['format']> = { KCST: 'stream', KCEV: 'envelope' };
const KEY_ID = 8;
const KEY_ID_END = 24;

export function formatOf(data: Uint8Array): Format {
  const view = Buffer.from(data.buffer, data.byteOffset, data.length);
  const format = MAGICS[view.toString('latin1', 0, 4)];
  if (format === undefined || data.length < KEY_ID_END) {
    throw new UsageError(
      'this is neither a stream nor an envelope of keycell',
      'is it the whole file? For raw ciphertexts, name --mechanism and --key; text must be decoded first: base64 -d',
    );
  }
  return { format, keyId: view.toString('hex', KEY_ID, KEY_ID_END) };
}
