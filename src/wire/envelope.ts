/** The envelope, docs/formats.md §5: what `encrypt` gives by default and `decrypt` needs nothing else for. */
import { FieldWriter } from './fields.ts';

const MAGIC = 'KCEV';
const FORMAT = 1;
/** XAES-256-GCM of C2SP. */
const SUITE_XAES = 1;

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
