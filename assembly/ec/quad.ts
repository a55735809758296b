/**
 * Four elements of a field side by side: a quad. What a curve does for a whole batch it does on quads.
 *
 * Limb i of all four lies in one vector of four words, least limb first: the limbs, the Montgomery form and the invariant
 * are those of the field's single elements (<curve>/field.ts), except that a value may be negative by less than 2^-20 of p,
 * and its top limb then is -1. A sum costs the same for four as for one, and a product little more than two.
 *
 * Q is a class without instances, like a curve (modular.ts), with
 *   bytes                    of a quad
 *   mul square add sub       on quads; results may overlie inputs
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
