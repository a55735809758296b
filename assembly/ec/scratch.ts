/**
 * Who owns what in EC_SCRATCH. Elements take 64 bytes (modular.ts), projective points 192.
 *
 * Every exported operation of the curves zeroes all that lies here before it returns, so nothing of
 * k, d or a table of multiples outlives a call; ecWipe is a memory.fill of some KiB, a fraction of a
 * microsecond. Rejected: wiping variable by variable, where one is sooner or later forgotten.
 */
import { EC_SCRATCH, GROUP } from "../layout";

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
/** <curve>/quad_products.ts: half a product; p256/quad_f48.ts: an element. */
export const QUAD_SCRATCH: usize = EC_SCRATCH + 0x2800;
/** quad.ts: a quad. */
export const QUAD_WORK: usize = EC_SCRATCH + 0x2900;
/** affine_tree.ts: three quads; odd_multiples.ts: one. */
export const TREE_SCRATCH: usize = EC_SCRATCH + 0x2a00;
/** base_table.ts: points and an entry while the table is built. */
export const TABLE_SCRATCH: usize = EC_SCRATCH + 0x2f00;
/** lanes.ts: eight elements. */
export const LANES_SCRATCH: usize = EC_SCRATCH + 0x3200;
/** jacobian.ts: five quads, and one that stays 0. */
export const JACOBIAN_SCRATCH: usize = EC_SCRATCH + 0x3400;
/** curve_check.ts: six quads and an element. */
export const CHECK_SCRATCH: usize = EC_SCRATCH + 0x3a00;
const SCRATCH_USED: usize = 0x4040;

/** ladder.ts: tables of 32 points, up to 100 KiB; wiped by who uses it. */
export const LADDER_SCRATCH: usize = EC_SCRATCH + 0x4080;
/** nonce_lanes.ts: four messages and their hashes; wiped by its own function. */
export const NONCE_LANES_SCRATCH: usize = EC_SCRATCH + 0x20000;

export function ecWipe(): void {
  memory.fill(EC_SCRATCH, 0, SCRATCH_USED);
}

// What a group of signatures or keys is computed in. It is large, so that whoever used it says how much of it to wipe.
/** multiply_base.ts: the digits of 32 scalars, and sixteen entries of a table in words. */
export const GROUP_DIGITS: usize = GROUP;
export const GROUP_WORDS: usize = GROUP + 0x0800;
/** ecdsa.ts, keys.ts: the scalars and points of 32 operations. */
export const GROUP_OPERATIONS: usize = GROUP + 0x1000;
/** multiply_base.ts: the entries of all windows in quads, then what affine_tree.ts needs. */
export const GROUP_POINTS: usize = GROUP + 0x5000;

/** Wipe the fixed areas of the group, and so many bytes of its points. */
export function groupWipe(points: usize): void {
  memory.fill(GROUP, 0, GROUP_POINTS - GROUP + points);
}
