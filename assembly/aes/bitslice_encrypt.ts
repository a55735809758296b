/**
 * Encryption of eight bitsliced blocks; the layout and what becomes of ShiftRows: bitslice.ts.
 *
 * SubBytes is of J. Boyar and R. Peralta. The first layers are those of "A Depth-16 Circuit for the AES S-box" (SEC
 * 2012), the last one that of "A New Combinational Logic Minimization Technique" (SEA 2010), two gates deeper and eight
 * gates smaller: 120 gates, 18 deep, with their names (U in, S out, most significant bit first) and without their four
 * negations, which are the constant 63 in the round keys. The first layer of the latter, four gates less and four deeper,
 * gained nothing; with the whole of it the cipher was a tenth slower where a gate takes two cycles, as on Zen 5.
 *
 * MixColumns, with a the state and r the step to the next row, is 2(a ⊕ ra) ⊕ ra ⊕ r²(a ⊕ ra).
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

/**
 * The rounds first to Nr of CIPH_K on the state at statePtr, in place, each with the key before it, so that all of them are
 * the cipher. At keysPtr are the round keys from 0 on.
 */
export function encryptSliced(statePtr: usize, keysPtr: usize, first: u32, Nr: u32): void {
  keysPtr += <usize>(first - 1) << 7;
  let u7 = v128.load(statePtr), u6 = v128.load(statePtr, 16), u5 = v128.load(statePtr, 32), u4 = v128.load(statePtr, 48);
  let u3 = v128.load(statePtr, 64), u2 = v128.load(statePtr, 80), u1 = v128.load(statePtr, 96), u0 = v128.load(statePtr, 112);
  for (let i = first; ; i++) {
    u7 = xor(u7, v128.load(keysPtr));
    u6 = xor(u6, v128.load(keysPtr, 16));
    u5 = xor(u5, v128.load(keysPtr, 32));
    u4 = xor(u4, v128.load(keysPtr, 48));
    u3 = xor(u3, v128.load(keysPtr, 64));
    u2 = xor(u2, v128.load(keysPtr, 80));
    u1 = xor(u1, v128.load(keysPtr, 96));
    u0 = xor(u0, v128.load(keysPtr, 112));
    keysPtr += 128;
    const t1 = xor(u0, u3), t2 = xor(u0, u5), t3 = xor(u0, u6), t4 = xor(u3, u5), t5 = xor(u4, u6), t6 = xor(t1, t5);
    const t7 = xor(u1, u2), t8 = xor(u7, t6), t9 = xor(u7, t7), t10 = xor(t6, t7), t11 = xor(u1, u5), t12 = xor(u2, u5);
    const t13 = xor(t3, t4), t14 = xor(t6, t11), t15 = xor(t5, t11), t16 = xor(t5, t12), t17 = xor(t9, t16);
    const t18 = xor(u3, u7), t19 = xor(t7, t18), t20 = xor(t1, t19), t21 = xor(u6, u7), t22 = xor(t7, t21);
    const t23 = xor(t2, t22), t24 = xor(t2, t10), t25 = xor(t20, t17), t26 = xor(t3, t16), t27 = xor(t1, t12);
    const m1 = and(t13, t6), m2 = and(t23, t8), m3 = xor(t14, m1), m4 = and(t19, u7), m5 = xor(m4, m1);
    const m6 = and(t3, t16), m7 = and(t22, t9), m8 = xor(t26, m6), m9 = and(t20, t17), m10 = xor(m9, m6);
    const m11 = and(t1, t15), m12 = and(t4, t27), m13 = xor(m12, m11), m14 = and(t2, t10), m15 = xor(m14, m11);
    const m16 = xor(m3, m2), m17 = xor(m5, t24), m18 = xor(m8, m7), m19 = xor(m10, m15), m20 = xor(m16, m13);
    const m21 = xor(m17, m15), m22 = xor(m18, m13), m23 = xor(m19, t25), m24 = xor(m22, m23), m25 = and(m22, m20);
    const m26 = xor(m21, m25), m27 = xor(m20, m21), m28 = xor(m23, m25), m29 = and(m28, m27), m30 = and(m26, m24);
    const m31 = and(m20, m23), m32 = and(m27, m31), m33 = xor(m27, m25), m34 = and(m21, m22), m35 = and(m24, m34);
    const m36 = xor(m24, m25), m37 = xor(m21, m29), m38 = xor(m32, m33), m39 = xor(m23, m30), m40 = xor(m35, m36);
    const m41 = xor(m38, m40), m42 = xor(m37, m39), m43 = xor(m37, m38), m44 = xor(m39, m40), m45 = xor(m42, m41);
    const m46 = and(m44, t6), m47 = and(m40, t8), m48 = and(m39, u7), m49 = and(m43, t16), m50 = and(m38, t9);
    const m51 = and(m37, t17), m52 = and(m42, t15), m53 = and(m45, t27), m54 = and(m41, t10), m55 = and(m44, t13);
    const m56 = and(m40, t23), m57 = and(m39, t19), m58 = and(m43, t3), m59 = and(m38, t22), m60 = and(m37, t20);
    const m61 = and(m42, t1), m62 = and(m45, t4), m63 = and(m41, t2);
    const l0 = xor(m61, m62), l1 = xor(m56, m57), l2 = xor(m51, m59), l3 = xor(m55, m56), l4 = xor(m48, m58);
    const l5 = xor(m48, m51), l6 = xor(m53, m54), l7 = xor(m46, m49), l8 = xor(m52, m53), l9 = xor(m62, m63);
    const l10 = xor(m58, l2), l11 = xor(l4, l7), l12 = xor(m50, l0), l13 = xor(m49, l8), l14 = xor(l0, l11);
    const l15 = xor(m60, l11), l16 = xor(l6, l12), l17 = xor(l3, l12), l18 = xor(m50, l13), l19 = xor(l15, l16);
    const l20 = xor(m47, l17), s0 = xor(l13, l17), s6 = xor(l10, l16), s7 = xor(l2, l14), l21 = xor(l18, l19);
    const s3 = xor(l7, l20), s4 = xor(l5, l20), s5 = xor(l1, l19), s1 = xor(l18, s3), s2 = xor(l9, l21);
    if (i == Nr) {
      u7 = s7, u6 = s6, u5 = s5, u4 = s4, u3 = s3, u2 = s2, u1 = s1, u0 = s0;
      break;
    }
    const r = nextRow(i), rr = secondRow(i);
    const r0 = lookup(s0, r), r1 = lookup(s1, r), r2 = lookup(s2, r), r3 = lookup(s3, r);
    const r4 = lookup(s4, r), r5 = lookup(s5, r), r6 = lookup(s6, r), r7 = lookup(s7, r);
    const c0 = xor(s0, r0), c1 = xor(s1, r1), c2 = xor(s2, r2), c3 = xor(s3, r3);
    const c4 = xor(s4, r4), c5 = xor(s5, r5), c6 = xor(s6, r6), c7 = xor(s7, r7);
    u7 = xor(xor(r7, lookup(c7, rr)), c0);
    u6 = xor(xor(r6, lookup(c6, rr)), xor(c7, c0));
    u5 = xor(xor(r5, lookup(c5, rr)), c6);
    u4 = xor(xor(r4, lookup(c4, rr)), xor(c5, c0));
    u3 = xor(xor(r3, lookup(c3, rr)), xor(c4, c0));
    u2 = xor(xor(r2, lookup(c2, rr)), c3);
    u1 = xor(xor(r1, lookup(c1, rr)), c2);
    u0 = xor(xor(r0, lookup(c0, rr)), c1);
  }
  u7 = xor(u7, v128.load(keysPtr));
  u6 = xor(u6, v128.load(keysPtr, 16));
  u5 = xor(u5, v128.load(keysPtr, 32));
  u4 = xor(u4, v128.load(keysPtr, 48));
  u3 = xor(u3, v128.load(keysPtr, 64));
  u2 = xor(u2, v128.load(keysPtr, 80));
  u1 = xor(u1, v128.load(keysPtr, 96));
  u0 = xor(u0, v128.load(keysPtr, 112));
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
  v128.store(statePtr, u7);
  v128.store(statePtr, u6, 16);
  v128.store(statePtr, u5, 32);
  v128.store(statePtr, u4, 48);
  v128.store(statePtr, u3, 64);
  v128.store(statePtr, u2, 80);
  v128.store(statePtr, u1, 96);
  v128.store(statePtr, u0, 112);
}
