/**
 * A table of sixteen bytes in a register, looked up at sixteen places at once.
 *
 * relaxed_swizzle is one instruction on every processor, where swizzle needs a saturating addition before it on x86-64:
 * there the machine's shuffle takes an index of 16 to 127 mod 16, which swizzle may not. What the relaxed form leaves
 * open is the result for those indices alone; 0 to 15 give the table's byte and 128 to 255 give 0, as in swizzle. So it
 * is defined for every caller that keeps to the condition below, and each says why it does.
 */

/** table[index] for index < 16, 0 for an index whose top bit is set; no other index may be given. */
// @ts-ignore: decorator
@inline export function lookup(table: v128, index: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, index) : i8x16.swizzle(table, index);
}
