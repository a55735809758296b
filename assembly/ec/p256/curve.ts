/** P-256: SP 800-186 §3.2.1.3. */
import { addMinus3, addAffineMinus3, doubleMinus3, rightSideMinus3 } from "../formulas_minus3";
import { P256_TABLE } from "../../layout";
import { P256Field } from "./field";

/** The order of the base point: n, R^2 mod n, -1/n modulo a limb. */
const N: usize = memory.data<u32>([
  0x1c632551, 0x1dce5617, 0x05e7a13c, 0x0df55b4e, 0x1ffffbce, 0x1fffffff, 0x0003ffff, 0x1fe00000, 0x00ffffff, 0,
  0x148d9ef5, 0x0f4e7f75, 0x14c6a651, 0x03f8b765, 0x165861f1, 0x1256d7d8, 0x1c185b23, 0x0d4cab0f, 0x0084b655, 0,
  0x0e00bc4f,
]);
/** n for invert.ts, begun with 1. */
const N_INVERT: usize = memory.data<u32>([
  0x3c632551, 0x0ee72b0b, 0x3179e84f, 0x39beab69, 0x3fffffbc, 0x3fffffff, 0x00000fff, 0x3fffc000, 0x0000ffff,
  1, 0, 0, 0, 0, 0, 0, 0, 0,
  0x11ff43b1,
]);
/** n - 1, for key generation; not a modulus for Montgomery, it is even. */
const N_MINUS_1: usize = memory.data<u32>([
  0x1c632550, 0x1dce5617, 0x05e7a13c, 0x0df55b4e, 0x1ffffbce, 0x1fffffff, 0x0003ffff, 0x1fe00000, 0x00ffffff, 0,
]);
// b and the base point, in Montgomery form.
const B: usize = memory.data<u32>([
  0x1897bbfb, 0x1cdf6229, 0x018486c4, 0x01732821, 0x1dad59e0, 0x0abf7212, 0x1a06d110, 0x17721d20, 0x008600c3, 0,
]);
const GX: usize = memory.data<u32>([
  0x15228783, 0x0730d418, 0x0db00bcf, 0x057f11fb, 0x0a20eb75, 0x12b77622, 0x0330fdb9, 0x1af4dd57, 0x00120bee, 0,
]);
const GY: usize = memory.data<u32>([
  0x12aac150, 0x125357ce, 0x0f22e6ef, 0x0e390e86, 0x064b1695, 0x088dd21f, 0x02a97443, 0x02962176, 0x00ae3fe3, 0,
]);

@unmanaged @final
export class P256 extends P256Field {
  @inline get n(): usize { return N; }
  @inline get nInvert(): usize { return N_INVERT; }
  @inline get nMinus1(): usize { return N_MINUS_1; }
  @inline get b(): usize { return B; }
  @inline get gx(): usize { return GX; }
  @inline get gy(): usize { return GY; }
  /** Of its table in key_tables.ts. */
  @inline get slot(): u32 { return 0; }
  /** Where the multiples of the base point lie. */
  @inline get baseTable(): usize { return P256_TABLE; }
  /** A group gains by 8, a signature alone loses: next to nothing where lookups are one instruction (../../lookup.ts), else too much. */
  @inline get window(): usize { return ASC_FEATURE_RELAXED_SIMD ? 8 : 7; }

  @inline addPoints(r: usize, p: usize, q: usize): void { addMinus3<P256>(r, p, q); }
  @inline addAffine(r: usize, p: usize, q: usize): void { addAffineMinus3<P256>(r, p, q); }
  @inline doublePoint(r: usize, p: usize): void { doubleMinus3<P256>(r, p); }
  @inline rightSide(r: usize, x: usize): void { rightSideMinus3<P256>(r, x); }
}
