/** P-384: SP 800-186 §3.2.1.4. */
import { addMinus3, addAffineMinus3, doubleMinus3, rightSideMinus3 } from "../formulas_minus3";
import { P384_TABLE } from "../../layout";
import { P384Field } from "./field";

/** The order of the base point: n, R^2 mod n, -1/n modulo a limb. */
const N: usize = memory.data<u32>([
  0x0cc52973, 0x0ec196ac, 0x00a77aec, 0x00db248b, 0x0ddf581a, 0x081f4372, 0x0fc7634d,
  0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x000fffff,
  0x060e3cb4, 0x035fd093, 0x090eb460, 0x073c4e12, 0x0ff2dbd2, 0x043a6add, 0x02d164ee,
  0x01cc5bf0, 0x09174aab, 0x095d40d4, 0x0a282668, 0x03fb05b7, 0x0b39bf21, 0x000ee012,
  0x088fdc45,
]);
/** n for invert.ts, begun with 1. */
const N_INVERT: usize = memory.data<u32>([
  0x0cc52973, 0x33b065ab, 0x0b0a77ae, 0x06836c92, 0x372ddf58, 0x0d3607d0, 0x3ffffc76,
  0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x00ffffff,
  1, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0,
  0x177023bb,
]);
/** n - 1, for key generation; not a modulus for Montgomery, it is even. */
const N_MINUS_1: usize = memory.data<u32>([
  0x0cc52972, 0x0ec196ac, 0x00a77aec, 0x00db248b, 0x0ddf581a, 0x081f4372, 0x0fc7634d,
  0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x0fffffff, 0x000fffff,
]);
// b and the base point, in Montgomery form.
const B: usize = memory.data<u32>([
  0x012dcccd, 0x08870d04, 0x02ec0811, 0x0d9474c3, 0x0fc429ad, 0x01920022, 0x07f2209b,
  0x0938ae27, 0x074bee94, 0x02094e33, 0x01f41f02, 0x0f9b62b2, 0x0b604fbf, 0x00008114,
]);
const GX: usize = memory.data<u32>([
  0x00b5284d, 0x07565fcc, 0x0e383dd0, 0x0e2edd6c, 0x0e6de378, 0x0541b4d6, 0x079c3afc,
  0x0a30eff8, 0x04868459, 0x0de2b645, 0x0723614e, 0x013812ff, 0x02299e15, 0x0003aadc,
]);
const GY: usize = memory.data<u32>([
  0x03a4fe2b, 0x03dad200, 0x09ac2304, 0x0bfa6b4a, 0x00ccbfa8, 0x02e83b05, 0x0bade756,
  0x0f4ffd98, 0x03521968, 0x0a840c6c, 0x02263969, 0x0e9dd800, 0x025a15c5, 0x00078abc,
]);

@unmanaged @final
export class P384 extends P384Field {
  @inline get n(): usize { return N; }
  @inline get nInvert(): usize { return N_INVERT; }
  @inline get nMinus1(): usize { return N_MINUS_1; }
  @inline get b(): usize { return B; }
  @inline get gx(): usize { return GX; }
  @inline get gy(): usize { return GY; }
  /** Of its table in key_tables.ts. */
  @inline get slot(): u32 { return 1; }
  /** Where the multiples of the base point lie. */
  @inline get baseTable(): usize { return P384_TABLE; }
  @inline get window(): usize { return 8; }

  @inline addPoints(r: usize, p: usize, q: usize): void { addMinus3<P384>(r, p, q); }
  @inline addAffine(r: usize, p: usize, q: usize): void { addAffineMinus3<P384>(r, p, q); }
  @inline doublePoint(r: usize, p: usize): void { doubleMinus3<P384>(r, p); }
  @inline rightSide(r: usize, x: usize): void { rightSideMinus3<P384>(r, x); }
}
