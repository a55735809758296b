/**
 * May the relaxed build be trusted here? It needs relaxed_madd to round once. The specification leaves fused or not to
 * the machine, and an unfused one would give wrong signatures.
 *
 * With x = 1 + 2^-27, x·x - (1 + 2^-26) is 2^-54 exactly; rounded before the sum, x·x is 1 + 2^-26, and nothing is left.
 */
const X: usize = memory.data<f64>([1.000000007450580596923828125, 1.000000007450580596923828125], 16);
const MINUS: usize = memory.data<f64>([-1.00000001490116119384765625, -1.00000001490116119384765625], 16);

/** 1 if relaxed_madd is fused in both lanes. A module that does not validate needs no asking. */
export function fused(): u32 {
  const x = v128.load(X);
  const rest = f64x2.relaxed_madd(x, x, v128.load(MINUS));
  const tiny = f64x2.splat(5.5511151231257827e-17); // 2^-54
  return <u32>i64x2.all_true(f64x2.eq(rest, tiny));
}
