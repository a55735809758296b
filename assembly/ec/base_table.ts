/**
 * The table of a base point: for each window i of c.window bits the odd multiples 1, 3, 5 … of 2^(window·i)·G.
 *
 * A row is read for sixteen scalars at once, and whole: byte b of all its entries lies together, so that a shuffle of bytes
 * looks one byte up for sixteen secret digits, from registers, as vector permutations do for AES. A shuffle reaches
 * sixteen entries and gives 0 beyond them, so what the others give is added by or. For 16
 * scalars and 64 entries of 64 bytes that is some 70 instructions a scalar, against 700 of a scan under masks.
 *
 * The entries are packed affine points, x ‖ y, in the form of the curve's quads. C is a curve, Q its quads.
 */
import { lookup } from "../lookup";
import { ELEMENT, copy } from "./modular";
import { POINT, X, Y, Z } from "./point";
import { GROUP_POINTS, TABLE_SCRATCH } from "./scratch";

/** Windows that cover 8·size bits. */
// @ts-ignore: decorator
@inline export function windows<C>(): usize {
  const c = changetype<C>(0);
  return (8 * <usize>c.size + c.window - 1) / c.window;
}

// @ts-ignore: decorator
@inline export function entries<C>(): usize {
  return 1 << (changetype<C>(0).window - 1);
}

/** Bytes of one window's multiples. */
// @ts-ignore: decorator
@inline export function rowSize<C>(): usize {
  return 2 * <usize>changetype<C>(0).size * entries<C>();
}

/** Words of 32 bits in a packed point, a vector each once four points stand side by side. */
// @ts-ignore: decorator
@inline export function pointWords<C>(): usize {
  return <usize>changetype<C>(0).size / 2;
}

/** Indices of which those above 15 became 255, once for all lookups: the condition of lookup.ts. */
// @ts-ignore: decorator
@inline function within16(indices: v128): v128 {
  return v128.or(indices, i8x16.gt_u(indices, i8x16.splat(15)));
}

/** The bytes at `at` of the entries that a and the following name: a less 16, a less 32 and so on. */
// @ts-ignore: decorator
@inline function lookUp<C>(at: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128): v128 {
  let found = v128.or(lookup(v128.load(at), a), lookup(v128.load(at, 16), b));
  if (entries<C>() > 32) {
    found = v128.or(found, v128.or(lookup(v128.load(at, 32), c), lookup(v128.load(at, 48), d)));
  }
  if (entries<C>() > 64) {
    found = v128.or(found, v128.or(lookup(v128.load(at, 64), e), lookup(v128.load(at, 80), f)));
    found = v128.or(found, v128.or(lookup(v128.load(at, 96), g), lookup(v128.load(at, 112), h)));
  }
  return found;
}

/**
 * Sixteen entries of a row, by the sixteen indices: word j of entries 4q .. 4q+3 is vector j of the q-th pointWords
 * vectors at words.
 */
export function selectEntries<C>(words: usize, row: usize, indices: v128): void {
  const sixteen = i8x16.splat(16);
  const less16 = i8x16.sub(indices, sixteen), less32 = i8x16.sub(less16, sixteen), less48 = i8x16.sub(less32, sixteen);
  const less64 = i8x16.sub(less48, sixteen), less80 = i8x16.sub(less64, sixteen), less96 = i8x16.sub(less80, sixteen);
  const a = within16(indices), b = within16(less16), c = within16(less32), d = within16(less48), e = within16(less64);
  const f = within16(less80), g = within16(less96), h = within16(i8x16.sub(less96, sixteen));
  const quad: usize = 16 * pointWords<C>();
  const end = words + quad;
  while (words < end) {
    const b0 = lookUp<C>(row, a, b, c, d, e, f, g, h);
    const b1 = lookUp<C>(row + entries<C>(), a, b, c, d, e, f, g, h);
    // Stored at once and read again: V8 reads all that stands between two stores first, and has no registers for more.
    v128.store(words, v128.shuffle<u8>(b0, b1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    v128.store(words + 2 * quad, v128.shuffle<u8>(b0, b1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
    const b2 = lookUp<C>(row + 2 * entries<C>(), a, b, c, d, e, f, g, h);
    const b3 = lookUp<C>(row + 3 * entries<C>(), a, b, c, d, e, f, g, h);
    const low01 = v128.load(words), high01 = v128.load(words + 2 * quad);
    const low23 = v128.shuffle<u8>(b2, b3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const high23 = v128.shuffle<u8>(b2, b3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    v128.store(words, v128.shuffle<u16>(low01, low23, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(words + quad, v128.shuffle<u16>(low01, low23, 4, 12, 5, 13, 6, 14, 7, 15));
    v128.store(words + 2 * quad, v128.shuffle<u16>(high01, high23, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(words + 3 * quad, v128.shuffle<u16>(high01, high23, 4, 12, 5, 13, 6, 14, 7, 15));
    row += 4 * entries<C>();
    words += 16;
  }
}

/** Make the table, row by row: the multiples, made affine with one inversion. */
export function buildBaseTable<C, Q>(): void {
  const c = changetype<C>(0);
  const base = TABLE_SCRATCH, twice = base + POINT, inverse = twice + POINT, one = inverse + ELEMENT;
  const row = GROUP_POINTS;
  const products = row + entries<C>() * POINT;
  copy<C>(base + X, c.gx);
  copy<C>(base + Y, c.gy);
  copy<C>(base + Z, c.one);
  for (let i: usize = 0; i < windows<C>(); i++) {
    c.doublePoint(twice, base);
    memory.copy(row, base, POINT);
    copy<C>(products, base + Z);
    for (let j: usize = 1; j < entries<C>(); j++) {
      c.addPoints(row + j * POINT, row + (j - 1) * POINT, twice);
      c.mul(products + j * ELEMENT, products + (j - 1) * ELEMENT, row + j * POINT + Z);
    }
    c.invert(inverse, products + (entries<C>() - 1) * ELEMENT);
    for (let j = entries<C>() - 1; j > 0; j--) {
      const point = row + j * POINT;
      c.mul(one, inverse, products + (j - 1) * ELEMENT);
      c.mul(inverse, inverse, point + Z);
      storeEntry<C, Q>(i, j, point, one);
    }
    storeEntry<C, Q>(i, 0, row, inverse);
    for (let j: usize = 0; j < c.window; j++) c.doublePoint(base, base);
  }
  memory.fill(row, 0, entries<C>() * (POINT + ELEMENT));
}

/** Entry j of row i = point, whose 1/Z is given. */
function storeEntry<C, Q>(i: usize, j: usize, point: usize, inverse: usize): void {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  const packed = TABLE_SCRATCH + 2 * POINT + 2 * ELEMENT, size: usize = c.size;
  c.mul(point + X, point + X, inverse);
  c.mul(point + Y, point + Y, inverse);
  q.pack(packed, point + X);
  q.pack(packed + size, point + Y);
  const row = c.baseTable + i * rowSize<C>() + j;
  for (let b: usize = 0; b < 2 * size; b++) store<u8>(row + b * entries<C>(), load<u8>(packed + b));
}
