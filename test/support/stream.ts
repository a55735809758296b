/** Streams of docs/formats.md §7, written a second time over node:crypto and Buffer, from the document alone. */
import { createDecipheriv, createHash } from 'node:crypto';
import { gcm, kdf108, u32 } from './reference.ts';

export const SEGMENT = 65536;
export const HEADER = 60;
/** IV and tag. */
export const OVERHEAD = 28;

export interface ReferenceStream {
  readonly keyId: string;
  readonly keyVersion: number;
  /** 32 bytes. */
  readonly salt: Uint8Array;
  readonly aad?: Uint8Array;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const place = (index: number, last: boolean) => Buffer.concat([u32(index), Buffer.of(last ? 1 : 0)]);

export function streamHeader({ keyId, keyVersion, salt }: ReferenceStream): Buffer {
  return Buffer.concat([Buffer.from('KCST'), Buffer.of(2, 1, 0, 0), Buffer.from(keyId, 'hex'), u32(keyVersion), salt]);
}

/** K_s of a header and the caller's associated data. */
function streamKey(key: Uint8Array, header: Uint8Array, aad: Uint8Array): Buffer {
  const label = Buffer.from('keycell/v1/stream');
  return kdf108(key, Buffer.concat([label, Buffer.of(0), header, sha256(aad), u32(256)]));
}

export function sealSegment(
  key: Uint8Array,
  stream: ReferenceStream,
  index: number,
  last: boolean,
  plaintext: Uint8Array,
  iv: Uint8Array = Buffer.alloc(12, 0xa0 + index),
): Buffer {
  const derived = streamKey(key, streamHeader(stream), stream.aad ?? Buffer.alloc(0));
  return Buffer.concat([iv, gcm(derived, iv, place(index, last), plaintext)]);
}

export function sealStream(key: Uint8Array, stream: ReferenceStream, plaintext: Uint8Array): Buffer {
  const count = Math.max(1, Math.ceil(plaintext.length / SEGMENT));
  const segments = Array.from({ length: count }, (_, i) =>
    sealSegment(key, stream, i, i === count - 1, plaintext.subarray(SEGMENT * i, SEGMENT * (i + 1))),
  );
  return Buffer.concat([streamHeader(stream), ...segments]);
}

/** Throws where anything is not as the document says. `first` is the number of the first segment that is there. */
export function openStream(key: Uint8Array, keyId: string, sealed: Uint8Array, aad: Uint8Array, first = 0): Buffer {
  const header = sealed.subarray(0, HEADER);
  const expected = Buffer.concat([Buffer.from('KCST'), Buffer.of(2, 1, 0, 0), Buffer.from(keyId, 'hex'), u32(1)]);
  if (!expected.equals(header.subarray(0, 28))) throw new Error('not a stream of this key');
  const body = sealed.subarray(HEADER);
  const count = Math.max(1, Math.ceil(body.length / (SEGMENT + OVERHEAD)));
  const derived = streamKey(key, header, aad);
  const parts = Array.from({ length: count }, (_, i) => {
    const segment = body.subarray((SEGMENT + OVERHEAD) * i, (SEGMENT + OVERHEAD) * (i + 1));
    const decipher = createDecipheriv('aes-256-gcm', derived, segment.subarray(0, 12));
    decipher.setAAD(place(first + i, i === count - 1)).setAuthTag(segment.subarray(segment.length - 16));
    return Buffer.concat([decipher.update(segment.subarray(12, segment.length - 16)), decipher.final()]);
  });
  return Buffer.concat(parts);
}
