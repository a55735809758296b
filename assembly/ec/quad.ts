/**
 * Four elements of a field side by side: a quad. What a curve does for a whole batch it does on quads.
 *
 * Limb i of all four lies in one vector of four words, least limb first: the limbs, the Montgomery form and the invariant
 * are those of the field's single elements (<curve>/field.ts), except that a value may be negative by less than 2^-20 of p,
 * and its top limb then is -1. A sum costs the same for four as for one, and a product little more than two.
 * p256/quad_f48.ts has another form of its own, with limbs of eight bytes: those of lanes 0 and 1 in one vector, of lanes 2
 * and 3 in the next.
 *
 * A wide quad is an operand of products, of two factors one may be a wide sum, and the minuend of sub and subTwice; nothing
 * else. Its limbs are below 2^30 in magnitude (2^29 for a difference), so that a column of 2^59 · limbs stays below 2^63.
 *
 * Q is a class without instances, like a curve (modular.ts), with
 *   bytes                    of a quad
 *   limbBytes                4, or 8
 *   aIsZero                  the curve's a is 0, else -3
 *   mul square add sub       on quads; results may overlie inputs
 *   tripleSub subTwice       3(a - b) and a - 2b, at the price of one sum
 *   addWide subWide          a + b and a - b without carries: wide
 *   pack                     an element as a table holds it: `size` bytes, in the quad's own Montgomery form
 *   unpack                   four packed elements into a quad
 *   fromWords                the same, where vector i of `size`/4 holds word i of all four
 *   negateIf                 q = -q in the lanes where the mask, a word a lane, is all ones
 *   set get                  one lane from and to a single element
 */
import { fieldReduce } from "./field";
import { QUAD_WORK } from "./scratch";

const WORK: usize = QUAD_WORK;
/** A quad of zeros, in every form. */
export const ZEROS: usize = memory.data<u64>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
], 16);

// @ts-ignore: decorator
@inline export function laneAt(q: usize, limb: usize, lane: usize): usize {
  return q + 16 * limb + 4 * lane;
}

/** Lane of q = the element e. */
export function setLane<C>(q: usize, lane: usize, e: usize): void {
  const c = changetype<C>(0);
  for (let i: usize = 0; i < c.limbs; i++) store<u32>(laneAt(q, i, lane), load<u32>(e + 4 * i));
}

/** The element e = lane of q; p is added, since the lane may be negative. */
export function getLane<C>(e: usize, q: usize, lane: usize): void {
  const c = changetype<C>(0);
  for (let i: usize = 0; i < c.limbs; i++) store<u32>(e + 4 * i, load<u32>(laneAt(q, i, lane)));
  if (c.bytes > 4 * c.limbs) store<u32>(e + 4 * c.limbs, 0);
  c.add(e, e, c.p);
}

export function copyQuad<Q>(r: usize, a: usize): void {
  for (let i: usize = 0; i < changetype<Q>(0).bytes; i += 16) v128.store(r + i, v128.load(a + i));
}

/** A mask of a word a lane for the first vector of a limb, the third and so on. */
// @ts-ignore: decorator
@inline export function evenMask<Q>(mask: v128): v128 {
  return changetype<Q>(0).limbBytes == 8 ? i64x2.extend_low_i32x4_s(mask) : mask;
}

/** And for the second, the fourth and so on. */
// @ts-ignore: decorator
@inline export function oddMask<Q>(mask: v128): v128 {
  return changetype<Q>(0).limbBytes == 8 ? i64x2.extend_high_i32x4_s(mask) : mask;
}

/** r = mask ? a : b, lane by lane; mask holds all ones or zeros in each word. */
export function pickQuad<Q>(mask: v128, r: usize, a: usize, b: usize): void {
  let here = evenMask<Q>(mask), next = oddMask<Q>(mask);
  for (let i: usize = 0; i < changetype<Q>(0).bytes; i += 16) {
    v128.store(r + i, v128.bitselect(v128.load(a + i), v128.load(b + i), here));
    const last = here;
    here = next;
    next = last;
  }
}

/** r = a + b, limbs as they come. */
// @ts-ignore: decorator
@inline export function addLimbs<Q>(r: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < changetype<Q>(0).bytes; i += 16) {
    v128.store(r + i, i32x4.add(v128.load(a + i), v128.load(b + i)));
  }
}

/** r = a - b, limbs as they come. */
// @ts-ignore: decorator
@inline export function subLimbs<Q>(r: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < changetype<Q>(0).bytes; i += 16) {
    v128.store(r + i, i32x4.sub(v128.load(a + i), v128.load(b + i)));
  }
}

/** q = mask ? -q : q, lane by lane. */
export function negateQuadIf<Q>(mask: v128, q: usize): void {
  changetype<Q>(0).sub(WORK, ZEROS, q);
  pickQuad<Q>(mask, q, WORK, q);
}

export function packElement<C>(ptr: usize, e: usize): void {
  fieldReduce<C>(WORK, e);
  changetype<C>(0).pack(ptr, WORK);
}
