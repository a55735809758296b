/** The Concat KDF as RFC 7518 §4.6.2 has it, and the layout of public bytes that KDFs take. */
import type { Span } from '../../wire/batch.ts';
import type { Call } from '../call.ts';

export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** Public bytes side by side in working memory: parts of the request, and bytes that were made here. */
export function laidOut(call: Call, pieces: readonly (Span | Uint8Array)[]): Span {
  const { core, work } = call.bench;
  const length = pieces.reduce((size, piece) => size + piece.length, 0);
  const offset = work.take(length);
  let at = offset;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) core.bytes.set(piece, at);
    else core.bytes.copyWithin(at, piece.offset, piece.offset + piece.length);
    at += piece.length;
  }
  return { offset, length };
}

/**
 * A key of `output.length` bytes from the shared secret `z`; 1 where the kernel did it. `hash` is the hash's number.
 * OtherInfo: AlgorithmID ‖ PartyUInfo ‖ PartyVInfo ‖ SuppPubInfo, each of the first three with its length.
 */
export function concatKdf(
  call: Call,
  hash: number,
  z: Span,
  [algorithm, apu, apv]: readonly [Span | Uint8Array, Span | Uint8Array, Span | Uint8Array],
  output: Span,
): number {
  const info = laidOut(call, [
    u32(algorithm.length),
    algorithm,
    u32(apu.length),
    apu,
    u32(apv.length),
    apv,
    u32(8 * output.length),
  ]);
  const { concatKdf: kernel } = call.bench.core.call;
  return kernel(hash, z.offset, z.length, info.offset, info.length, output.offset, output.length);
}
