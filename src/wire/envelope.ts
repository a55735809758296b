/** The envelope, docs/formats.md §5: what `encrypt` returns by default, and all that `decrypt` needs. */
import { FieldWriter } from './fields.ts';

const MAGIC = 'KCEV';
/** Format 1 was sealed under the key itself, and is refused: whoever had its block cipher could forge. */
const FORMAT = 2;
/** XAES-256-GCM of C2SP. */
const SUITE_XAES = 1;

/** What K_e is derived with from the key that an envelope names. */
export const ENVELOPE_LABEL = new TextEncoder().encode('keycell/v1/envelope');

export const ENVELOPE_HEADER_SIZE = 28;
export const ENVELOPE_NONCE_SIZE = 24;
export const ENVELOPE_TAG_SIZE = 16;
export const ENVELOPE_OVERHEAD = ENVELOPE_HEADER_SIZE + ENVELOPE_NONCE_SIZE + ENVELOPE_TAG_SIZE;

export interface EnvelopeHeader {
  readonly keyId: string;
  readonly keyVersion: number;
}

/** The header; the AEAD's associated data is this header followed by the caller's own. */
export function encodeEnvelopeHeader(header: EnvelopeHeader): Uint8Array<ArrayBuffer> {
  return new FieldWriter(ENVELOPE_HEADER_SIZE)
    .magic(MAGIC)
    .u8(FORMAT)
    .u8(SUITE_XAES)
    .zero(2)
    .id(header.keyId)
    .u32(header.keyVersion).bytes;
}
