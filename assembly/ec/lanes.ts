/** What quads ask of single elements: C is a curve, Q its quads. */
import { fieldIsZero } from "./field";
import { ELEMENT } from "./modular";
import { LANES_SCRATCH } from "./scratch";

/** The four lanes as elements, two partial products, and an inverse. */
const LANES: usize = LANES_SCRATCH;
const LOW: usize = LANES + 4 * ELEMENT;
const HIGH: usize = LOW + ELEMENT;
const INVERSE: usize = HIGH + ELEMENT;

/** q = 1 in every lane. */
export function setOne<C, Q>(q: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) changetype<Q>(0).set(q, lane, changetype<C>(0).one);
}

/** r = 1/a, lane by lane, with one inversion; 1, or 0 if any lane of a is 0: then all of r is. */
export function invertLanes<C, Q>(r: usize, a: usize): u32 {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  for (let lane: usize = 0; lane < 4; lane++) q.get(LANES + lane * ELEMENT, a, lane);
  c.mul(LOW, LANES, LANES + ELEMENT);
  c.mul(HIGH, LANES + 2 * ELEMENT, LANES + 3 * ELEMENT);
  c.mul(INVERSE, LOW, HIGH);
  const okBit = fieldIsZero<C>(INVERSE) ^ 1;
  c.invert(INVERSE, INVERSE);
  c.mul(HIGH, HIGH, INVERSE); // 1/LOW
  c.mul(LOW, LOW, INVERSE); // 1/HIGH
  setProduct<C, Q>(r, 0, HIGH, LANES + ELEMENT);
  setProduct<C, Q>(r, 1, HIGH, LANES);
  setProduct<C, Q>(r, 2, LOW, LANES + 3 * ELEMENT);
  setProduct<C, Q>(r, 3, LOW, LANES + 2 * ELEMENT);
  return okBit;
}

function setProduct<C, Q>(r: usize, lane: usize, a: usize, b: usize): void {
  changetype<C>(0).mul(INVERSE, a, b);
  changetype<Q>(0).set(r, lane, INVERSE);
}
