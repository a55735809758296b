/** Streams of docs/formats.md §7, written a second time over node:crypto and Buffer, from the document alone. */
import { createDecipheriv, createHash } from 'node:crypto';
import { sealXaes, u32, xaesKey } from './reference.ts';

export const SEGMENT = 65536;
export const HEADER = 47;

export interface ReferenceStream {
  readonly keyId: string;
  readonly keyVersion: number;
  /** 19 bytes. */
  readonly nonce: Uint8Array;
  readonly aad?: Uint8Array;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

export function streamHeader({ keyId, keyVersion, nonce }: ReferenceStream): Buffer {
  return Buffer.concat([Buffer.from('KCST'), Buffer.of(1, 1, 0, 0), Buffer.from(keyId, 'hex'), u32(keyVersion), nonce]);
}

export function sealSegment(
  key: Uint8Array,
  stream: ReferenceStream,
  index: number,
  last: boolean,
  plaintext: Uint8Array,
): Buffer {
  const associated = Buffer.concat([streamHeader(stream), sha256(stream.aad ?? Buffer.alloc(0))]);
  const nonce = Buffer.concat([stream.nonce, u32(index), Buffer.of(last ? 1 : 0)]);
  return sealXaes(key, nonce, associated, plaintext);
}

export function sealStream(key: Uint8Array, stream: ReferenceStream, plaintext: Uint8Array): Buffer {
  const count = Math.max(1, Math.ceil(plaintext.length / SEGMENT));
  const segments = Array.from({ length: count }, (_, i) =>
    sealSegment(key, stream, i, i === count - 1, plaintext.subarray(SEGMENT * i, SEGMENT * (i + 1))),
  );
  return Buffer.concat([streamHeader(stream), ...segments]);
}

/** Throws where anything is not as the document says. */
export function openStream(key: Uint8Array, keyId: string, sealed: Uint8Array, aad: Uint8Array): Buffer {
  const header = sealed.subarray(0, HEADER);
  const expected = Buffer.concat([Buffer.from('KCST'), Buffer.of(1, 1, 0, 0), Buffer.from(keyId, 'hex'), u32(1)]);
  if (!expected.equals(header.subarray(0, 28))) throw new Error('not a stream of this key');
  const body = sealed.subarray(HEADER);
  const count = Math.max(1, Math.ceil(body.length / (SEGMENT + 16)));
  const streamKey = xaesKey(key, header.subarray(28, 40));
  const parts = Array.from({ length: count }, (_, i) => {
    const segment = body.subarray((SEGMENT + 16) * i, (SEGMENT + 16) * (i + 1));
    const iv = Buffer.concat([header.subarray(40), u32(i), Buffer.of(i === count - 1 ? 1 : 0)]);
    const decipher = createDecipheriv('aes-256-gcm', streamKey, iv);
    decipher.setAAD(Buffer.concat([header, sha256(aad)])).setAuthTag(segment.subarray(segment.length - 16));
    return Buffer.concat([decipher.update(segment.subarray(0, segment.length - 16)), decipher.final()]);
  });
  return Buffer.concat(parts);
}
