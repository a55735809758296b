/**
 * Decryption of eight bitsliced blocks; the layout and what becomes of ShiftRows: bitslice.ts. The rounds of encryption
 * backwards, by the same keys.
 *
 * InvSubBytes is the circuit of J. Boyar and R. Peralta, "A Depth-16 Circuit for the AES S-box" (SEC 2012), the middle 63
 * gates those of encryption. Its last layer is three gates smaller and one deeper, found by the method of their "A New
 * Combinational Logic Minimization Technique" (SEA 2010) with a bound on the depth: 124 gates. As in encryption the
 * constant 63 is in the round keys, so that it undoes exactly that circuit.
 *
 * InvMixColumns, with a the state and r the step to the next row: c = a ⊕ ra, d = a ⊕ 2c = (3 ⊕ 2r)a and
 * e = c ⊕ 4d = (13 ⊕ 9r)a give d ⊕ e ⊕ r²e = (14 ⊕ 11r ⊕ 13r² ⊕ 9r³)a.
 */
import { lookup } from "../lookup";
import { nextRow, secondRow, shiftRows2Index } from "./bitslice";

// @ts-ignore: decorator
@inline function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/** CIPH⁻¹_K of the state at statePtr, in place, Nr rounds with the keys at keysPtr. */
export function decryptSliced(statePtr: usize, keysPtr: usize, Nr: u32): void {
  let keyPtr = keysPtr + (<usize>Nr << 7);
  let u7 = v128.load(statePtr), u6 = v128.load(statePtr, 16), u5 = v128.load(statePtr, 32), u4 = v128.load(statePtr, 48);
  let u3 = v128.load(statePtr, 64), u2 = v128.load(statePtr, 80), u1 = v128.load(statePtr, 96), u0 = v128.load(statePtr, 112);
  if (Nr != 12) {
    const shiftRows2 = shiftRows2Index();
    u7 = lookup(u7, shiftRows2);
    u6 = lookup(u6, shiftRows2);
    u5 = lookup(u5, shiftRows2);
    u4 = lookup(u4, shiftRows2);
    u3 = lookup(u3, shiftRows2);
    u2 = lookup(u2, shiftRows2);
    u1 = lookup(u1, shiftRows2);
    u0 = lookup(u0, shiftRows2);
  }
  for (let i = Nr; ; i--) {
    u7 = xor(u7, v128.load(keyPtr));
    u6 = xor(u6, v128.load(keyPtr, 16));
    u5 = xor(u5, v128.load(keyPtr, 32));
    u4 = xor(u4, v128.load(keyPtr, 48));
    u3 = xor(u3, v128.load(keyPtr, 64));
    u2 = xor(u2, v128.load(keyPtr, 80));
    u1 = xor(u1, v128.load(keyPtr, 96));
    u0 = xor(u0, v128.load(keyPtr, 112));
    if (i == 0) break;
    if (i != Nr) {
      const r = nextRow(i), rr = secondRow(i);
      const c0 = xor(u0, lookup(u0, r)), c1 = xor(u1, lookup(u1, r)), c2 = xor(u2, lookup(u2, r));
      const c3 = xor(u3, lookup(u3, r)), c4 = xor(u4, lookup(u4, r)), c5 = xor(u5, lookup(u5, r));
      const c6 = xor(u6, lookup(u6, r)), c7 = xor(u7, lookup(u7, r));
      const d7 = xor(u7, c0), d6 = xor(u6, xor(c7, c0)), d5 = xor(u5, c6);
      const d4 = xor(u4, xor(c5, c0)), d3 = xor(u3, xor(c4, c0)), d2 = xor(u2, c3);
      const d1 = xor(u1, c2), d0 = xor(u0, c1);
      const dd = xor(d1, d0);
      const e7 = xor(c7, d1), e6 = xor(c6, dd), e5 = xor(c5, xor(d7, d0));
      const e4 = xor(c4, xor(d6, d1)), e3 = xor(c3, xor(d5, dd)), e2 = xor(c2, xor(d4, d0));
      const e1 = xor(c1, d3), e0 = xor(c0, d2);
      u7 = xor(xor(d7, e7), lookup(e7, rr));
      u6 = xor(xor(d6, e6), lookup(e6, rr));
      u5 = xor(xor(d5, e5), lookup(e5, rr));
      u4 = xor(xor(d4, e4), lookup(e4, rr));
      u3 = xor(xor(d3, e3), lookup(e3, rr));
      u2 = xor(xor(d2, e2), lookup(e2, rr));
      u1 = xor(xor(d1, e1), lookup(e1, rr));
      u0 = xor(xor(d0, e0), lookup(e0, rr));
    }
    keyPtr -= 128;
    const t23 = xor(u0, u3), t8 = xor(u1, t23), t4 = xor(u4, t8), t22 = xor(u1, u3), t2 = xor(u0, u1), t1 = xor(u3, u4);
    const t9 = xor(u7, t1), t24 = xor(u4, u7), t10 = xor(t2, t24), r5 = xor(u6, u7), t3 = xor(t1, r5);
    const t13 = xor(t2, r5), t19 = xor(t22, r5), t17 = xor(u2, t19), t25 = xor(u2, t1), r13 = xor(u1, u6);
    const t20 = xor(t24, r13), r17 = xor(u2, u5), t6 = xor(t22, r17), y5 = xor(u0, r17), r18 = xor(u5, u6);
    const t27 = xor(t1, r18), t15 = xor(t10, t27), t14 = xor(t10, r18), r19 = xor(u2, u4), t16 = xor(r13, r19);
    const t26 = xor(t3, t16);
    const m1 = and(t13, t6), m2 = and(t23, t8), m3 = xor(t14, m1), m4 = and(t19, y5), m5 = xor(m4, m1);
    const m6 = and(t3, t16), m7 = and(t22, t9), m8 = xor(t26, m6), m9 = and(t20, t17), m10 = xor(m9, m6);
    const m11 = and(t1, t15), m12 = and(t4, t27), m13 = xor(m12, m11), m14 = and(t2, t10), m15 = xor(m14, m11);
    const m16 = xor(m3, m2), m17 = xor(m5, t24), m18 = xor(m8, m7), m19 = xor(m10, m15), m20 = xor(m16, m13);
    const m21 = xor(m17, m15), m22 = xor(m18, m13), m23 = xor(m19, t25), m24 = xor(m22, m23), m25 = and(m22, m20);
    const m26 = xor(m21, m25), m27 = xor(m20, m21), m28 = xor(m23, m25), m29 = and(m28, m27), m30 = and(m26, m24);
    const m31 = and(m20, m23), m32 = and(m27, m31), m33 = xor(m27, m25), m34 = and(m21, m22), m35 = and(m24, m34);
    const m36 = xor(m24, m25), m37 = xor(m21, m29), m38 = xor(m32, m33), m39 = xor(m23, m30), m40 = xor(m35, m36);
    const m41 = xor(m38, m40), m42 = xor(m37, m39), m43 = xor(m37, m38), m44 = xor(m39, m40), m45 = xor(m42, m41);
    const m46 = and(m44, t6), m47 = and(m40, t8), m48 = and(m39, y5), m49 = and(m43, t16), m50 = and(m38, t9);
    const m51 = and(m37, t17), m52 = and(m42, t15), m53 = and(m45, t27), m54 = and(m41, t10), m55 = and(m44, t13);
    const m56 = and(m40, t23), m57 = and(m39, t19), m58 = and(m43, t3), m59 = and(m38, t22), m60 = and(m37, t20);
    const m61 = and(m42, t1), m62 = and(m45, t4), m63 = and(m41, t2);
    const p0 = xor(m52, m61), p1 = xor(m59, p0), p2 = xor(m58, p1), p3 = xor(m62, p2), p4 = xor(m49, m50);
    const p5 = xor(m48, m54), p6 = xor(m51, m54), p7 = xor(m56, p5), p8 = xor(m55, m63), p9 = xor(m47, p4);
    const p10 = xor(m49, p6), s0 = xor(p3, p10), p11 = xor(m60, p9), p12 = xor(m53, p4), s6 = xor(p3, p12);
    const p13 = xor(m46, p10), p14 = xor(m61, p8), s7 = xor(m57, p14), p15 = xor(m46, p5), s3 = xor(p3, p15);
    const p16 = xor(p9, p13), s5 = xor(p3, p16), p17 = xor(p1, p7), p18 = xor(p8, p11), s1 = xor(p17, p18);
    const p19 = xor(m57, m59), p20 = xor(p7, p19), p21 = xor(p11, p20), s2 = xor(p3, p21), p22 = xor(p7, p12);
    const p23 = xor(m57, m63), p24 = xor(p2, p22), p25 = xor(p13, p23), s4 = xor(p24, p25);
    u7 = s7, u6 = s6, u5 = s5, u4 = s4, u3 = s3, u2 = s2, u1 = s1, u0 = s0;
  }
  v128.store(statePtr, u7);
  v128.store(statePtr, u6, 16);
  v128.store(statePtr, u5, 32);
  v128.store(statePtr, u4, 48);
  v128.store(statePtr, u3, 64);
  v128.store(statePtr, u2, 80);
  v128.store(statePtr, u1, 96);
  v128.store(statePtr, u0, 112);
}
