/**
 * Who owns what in EC_SCRATCH. Elements take 64 bytes (modular.ts), projective points 192.
 *
 * Every exported operation of the curves zeroes all that lies here before it returns, so nothing of
 * k, d or a table of multiples outlives a call; ecWipe is a memory.fill of some KiB, a fraction of a
 * microsecond. Rejected: wiping variable by variable, where one is sooner or later forgotten.
 */
import { EC_SCRATCH } from "../layout";

/** invert.ts: the number in words, and f, g, d and e in limbs. */
export const INVERT_SCRATCH: usize = EC_SCRATCH;
/** field.ts: one element for conversions, nine for the addition chains of square roots. */
export const FIELD_SCRATCH: usize = EC_SCRATCH + 0x0500;
/** formulas_*.ts: the temporaries of one sum. */
export const FORMULA_SCRATCH: usize = EC_SCRATCH + 0x0800;
/** point.ts: conversions. */
export const POINT_SCRATCH: usize = EC_SCRATCH + 0x0a00;
/** scalar.ts: a digest shorter than a scalar. */
export const SCALAR_SCRATCH: usize = EC_SCRATCH + 0x0a80;
/** multiply.ts: digits, selected entries, accumulators. */
export const MULTIPLY_SCRATCH: usize = EC_SCRATCH + 0x0b00;
/** multiply.ts: 0..16 times the variable point; a row of a base table and its products while it is built. */
export const MULTIPLES_SCRATCH: usize = EC_SCRATCH + 0x0e00;
/** ecdsa.ts, ecdh.ts, keys.ts: scalars and points of the operation. */
export const OPERATION_SCRATCH: usize = EC_SCRATCH + 0x1e00;
/** nonce.ts: HMAC state, K, V, and the padded input. */
export const NONCE_SCRATCH: usize = EC_SCRATCH + 0x2300;
/** <curve>/quad_products.ts: half a product. */
export const QUAD_SCRATCH: usize = EC_SCRATCH + 0x2800;
/** quad.ts: a quad. */
export const QUAD_WORK: usize = EC_SCRATCH + 0x2900;
const SCRATCH_USED: usize = 0x2a00;

export function ecWipe(): void {
  memory.fill(EC_SCRATCH, 0, SCRATCH_USED);
}
