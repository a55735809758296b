/**
 * Who owns what in EC_SCRATCH. Elements take 40 bytes (mod256.ts), projective points 120.
 *
 * Every exported operation of the curves zeroes all that lies here before it returns, so nothing of
 * k, d or a table of multiples outlives a call; ecWipe is a memory.fill of a few KiB, some tens of
 * nanoseconds. Rejected: wiping variable by variable, where one is sooner or later forgotten.
 */
import { EC_SCRATCH } from "../layout";

/** mod256.ts: sixteen powers and the running value of montPow. */
export const POW_SCRATCH: usize = EC_SCRATCH;
/** field.ts: intermediate powers of the addition chains, and one element for conversions. */
export const FIELD_SCRATCH: usize = EC_SCRATCH + 0x300;
/** point.ts: the temporaries of one formula, then conversions. */
export const POINT_SCRATCH: usize = EC_SCRATCH + 0x500;
/** multiply.ts: digits, selected entries, accumulators. */
export const MULTIPLY_SCRATCH: usize = EC_SCRATCH + 0x800;
/** multiply.ts: 0..16 times the variable point; a row of the base table while it is built. */
export const MULTIPLES_SCRATCH: usize = EC_SCRATCH + 0xa00;
/** ecdsa.ts, ecdh.ts, keys.ts: scalars and points of the operation. */
export const OPERATION_SCRATCH: usize = EC_SCRATCH + 0x1500;
/** nonce.ts: HMAC state, K, V, and the padded input. */
export const NONCE_SCRATCH: usize = EC_SCRATCH + 0x1800;
const SCRATCH_USED: usize = 0x1c00;

export function ecWipe(): void {
  memory.fill(EC_SCRATCH, 0, SCRATCH_USED);
}
