/**
 * The point in a SubjectPublicKeyInfo for P-256, or undefined: DER as RFC 5480 §2 and §2.1.1 have it, the
 * named curve alone, no bit of a length or tag otherwise than it must be.
 */
export function pointOfSpki(der: Uint8Array): Uint8Array | undefined {
  const outer = element(der, 0, 0x30);
  if (!outer || outer.end !== der.length) return undefined;
  const algorithm = element(der, outer.start, 0x30);
  if (!algorithm) return undefined;
  const kind = element(der, algorithm.start, 0x06);
  const curve = kind && element(der, kind.end, 0x06);
  if (!kind || !curve || curve.end !== algorithm.end) return undefined;
  const text = (v: { start: number; end: number }) => Buffer.from(der.subarray(v.start, v.end)).toString('hex');
  if (text(kind) !== '2a8648ce3d0201' || text(curve) !== '2a8648ce3d030107') return undefined;
  const key = element(der, algorithm.end, 0x03);
  if (!key || key.end !== outer.end || der[key.start] !== 0) return undefined;
  return der.subarray(key.start + 1, key.end);
}

/** Where the content of the element at `at` lies: short lengths, which are all that such a key needs. */
function element(der: Uint8Array, at: number, tag: number): { start: number; end: number } | undefined {
  const length = der[at + 1];
  if (der[at] !== tag || length === undefined || length >= 0x80) return undefined;
  const end = at + 2 + length;
  return end <= der.length ? { start: at + 2, end } : undefined;
}
