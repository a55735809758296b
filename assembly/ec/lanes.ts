/** What quads ask of single elements: C is a curve, Q its quads. */
import { ELEMENT } from "./modular";
import { LANES_SCRATCH } from "./scratch";

const E: usize = LANES_SCRATCH;
const PAIR: usize = E + 4 * ELEMENT;
const INVERSE: usize = PAIR + 2 * ELEMENT;
const T: usize = INVERSE + ELEMENT;

/** q = 1 in every lane. */
export function setOne<C, Q>(q: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) changetype<Q>(0).set(q, lane, changetype<C>(0).one);
}

/** r = 1/a, lane by lane, with one inversion; 0 in every lane if any of a is 0. */
export function invertLanes<C, Q>(r: usize, a: usize): void {
  const c = changetype<C>(0);
  const q = changetype<Q>(0);
  for (let lane: usize = 0; lane < 4; lane++) q.get(E + lane * ELEMENT, a, lane);
  c.mul(PAIR, E, E + ELEMENT);
  c.mul(PAIR + ELEMENT, E + 2 * ELEMENT, E + 3 * ELEMENT);
  c.mul(T, PAIR, PAIR + ELEMENT);
  c.invert(INVERSE, T);
  c.mul(T, INVERSE, PAIR + ELEMENT); // of the first pair
  c.mul(PAIR, INVERSE, PAIR); // of the second
  c.mul(INVERSE, T, E + ELEMENT);
  q.set(r, 0, INVERSE);
  c.mul(INVERSE, T, E);
  q.set(r, 1, INVERSE);
  c.mul(INVERSE, PAIR, E + 3 * ELEMENT);
  q.set(r, 2, INVERSE);
  c.mul(INVERSE, PAIR, E + 2 * ELEMENT);
  q.set(r, 3, INVERSE);
}
