/**
 * Four elements of a field side by side: a quad. What a curve does for a whole batch it does on quads.
 *
 * Limb i of all four lies in one vector of four words, least limb first: the limbs, the Montgomery form and the invariant
 * are those of the field's single elements (<curve>/field.ts), except that a value may be negative by less than 2^-20 of p,
 * and its top limb then is -1. A sum costs the same for four as for one, and a product little more than two.
 *
 * A wide quad is an operand of products, of two factors one may be a wide sum, and the minuend of subTwice; nothing else.
 * Its limbs are below 2^30 in magnitude (2^29 for a difference), so that a column of 2^59 · limbs stays below 2^63.
 *
 * Q is a class without instances, like a curve (modular.ts), with
 *   bytes                    of a quad
 *   aIsZero                  the curve's a is 0, else -3
 *   mul square add sub       on quads; results may overlie inputs
 *   tripleSub subTwice       3(a - b) and a - 2b, at the price of one sum
 *   addWide subWide          a + b and a - b without carries: wide
 *   unpack                   four packed numbers, as a table holds them, into a quad
 *   set get                  one lane from and to a single element
 */

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

/** r = mask ? a : b, lane by lane; mask holds all ones or zeros in each word. */
export function pickQuad<Q>(mask: v128, r: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < changetype<Q>(0).bytes; i += 16) {
    v128.store(r + i, v128.bitselect(v128.load(a + i), v128.load(b + i), mask));
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
