/** secp256k1: SEC 2 §2.4.1. */
import { addZero, addAffineZero, doubleZero, rightSideZero } from "../formulas_zero";
import { SECP256K1_TABLE } from "../../layout";
import { Secp256k1Field } from "./field";

/** The order of the base point: n, R^2 mod n, -1/n modulo a limb. */
const N: usize = memory.data<u32>([
  0x10364141, 0x1e92f466, 0x12280eef, 0x1db9cd5e, 0x1fffebaa, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x00ffffff, 0,
  0x09f6ab4b, 0x1f300d1e, 0x1c0bd5d8, 0x0c8ada8c, 0x11cefa2b, 0x08b79a0f, 0x1e697f5e, 0x00e34de2, 0x009c7356, 0,
  0x1588b13f,
]);
/** n for invert.ts, begun with 1. */
const N_INVERT: usize = memory.data<u32>([
  0x10364141, 0x3f497a33, 0x348a03bb, 0x2bb739ab, 0x3ffffeba, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x0000ffff,
  1, 0, 0, 0, 0, 0, 0, 0, 0,
  0x2a774ec1,
]);
/** n - 1, for key generation; not a modulus for Montgomery, it is even. */
const N_MINUS_1: usize = memory.data<u32>([
  0x10364140, 0x1e92f466, 0x12280eef, 0x1db9cd5e, 0x1fffebaa, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x00ffffff, 0,
]);
// b and the base point, in Montgomery form.
const B: usize = memory.data<u32>([
  0x000356e0, 0x00000700, 0, 0, 0, 0, 0, 0, 0, 0,
]);
const GX: usize = memory.data<u32>([
  0x0fc45b63, 0x162e5ae0, 0x0336deb9, 0x0a54ca6f, 0x0538463c, 0x0c033fd1, 0x044bcfa4, 0x0fa4227d, 0x00303cc8, 0,
]);
const GY: usize = memory.data<u32>([
  0x1b75dba9, 0x1ea6d39b, 0x0e326d8a, 0x175747c7, 0x026d1bf8, 0x19aac19c, 0x0b385b5a, 0x1f52960b, 0x00e7f0a3, 0,
]);

@unmanaged @final
export class Secp256k1 extends Secp256k1Field {
  @inline get n(): usize { return N; }
  @inline get nInvert(): usize { return N_INVERT; }
  @inline get nMinus1(): usize { return N_MINUS_1; }
  @inline get b(): usize { return B; }
  @inline get gx(): usize { return GX; }
  @inline get gy(): usize { return GY; }
  /** Of its table in key_tables.ts. */
  @inline get slot(): u32 { return 2; }
  /** Where the multiples of the base point lie. */
  @inline get baseTable(): usize { return SECP256K1_TABLE; }
  @inline get window(): usize { return 8; }

  @inline addPoints(r: usize, p: usize, q: usize): void { addZero<Secp256k1>(r, p, q); }
  @inline addAffine(r: usize, p: usize, q: usize): void { addAffineZero<Secp256k1>(r, p, q); }
  @inline doublePoint(r: usize, p: usize): void { doubleZero<Secp256k1>(r, p); }
  @inline rightSide(r: usize, x: usize): void { rightSideZero<Secp256k1>(r, x); }
}
