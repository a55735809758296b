/**
 * Numbers below 2^392 as fourteen limbs of 28 bits, and Montgomery multiplication with R = 2^392 modulo any odd M,
 * 2^383 < M < 2^384: the form of P-384.
 *
 * Limbs are u32, least first, in 56 bytes. A column of a product gathers 14 products a_i·b_j and 14 products
 * q_i·m_j: 28·(2^28-1)^2 plus a carry below 2^34 stays under 2^61. R = 2^392 > 255M, so that results need no
 * final subtraction: for a, b < 2^385, (a·b + q·M)/R < 2^378 + M < 2^385 again.
 * Rejected: 13 limbs of 30 bits, a seventh fewer products, but a column of 26·2^60 does not fit 64 bits.
 */
import { loadBe64, storeBe64 } from "../bytes";

const BYTES: usize = 56;
const LIMB_MASK: u64 = 0xfffffff;

/** Six words of 64 bits, least first, into limbs. */
// @ts-ignore: decorator
@inline function split(r: usize, w0: u64, w1: u64, w2: u64, w3: u64, w4: u64, w5: u64): void {
  store<u32>(r, <u32>(w0 & LIMB_MASK));
  store<u32>(r, <u32>((w0 >> 28) & LIMB_MASK), 4);
  store<u32>(r, <u32>(((w0 >> 56) | (w1 << 8)) & LIMB_MASK), 8);
  store<u32>(r, <u32>((w1 >> 20) & LIMB_MASK), 12);
  store<u32>(r, <u32>(((w1 >> 48) | (w2 << 16)) & LIMB_MASK), 16);
  store<u32>(r, <u32>((w2 >> 12) & LIMB_MASK), 20);
  store<u32>(r, <u32>(((w2 >> 40) | (w3 << 24)) & LIMB_MASK), 24);
  store<u32>(r, <u32>((w3 >> 4) & LIMB_MASK), 28);
  store<u32>(r, <u32>((w3 >> 32) & LIMB_MASK), 32);
  store<u32>(r, <u32>(((w3 >> 60) | (w4 << 4)) & LIMB_MASK), 36);
  store<u32>(r, <u32>((w4 >> 24) & LIMB_MASK), 40);
  store<u32>(r, <u32>(((w4 >> 52) | (w5 << 12)) & LIMB_MASK), 44);
  store<u32>(r, <u32>((w5 >> 16) & LIMB_MASK), 48);
  store<u32>(r, <u32>(w5 >> 44), 52);
}

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/** Word i of 64 bits of a number below 2^384 in limbs. */
// @ts-ignore: decorator
@inline function word0(a: usize): u64 {
  return limb(a, 0) | (limb(a, 4) << 28) | (limb(a, 8) << 56);
}
// @ts-ignore: decorator
@inline function word1(a: usize): u64 {
  return (limb(a, 8) >> 8) | (limb(a, 12) << 20) | (limb(a, 16) << 48);
}
// @ts-ignore: decorator
@inline function word2(a: usize): u64 {
  return (limb(a, 16) >> 16) | (limb(a, 20) << 12) | (limb(a, 24) << 40);
}
// @ts-ignore: decorator
@inline function word3(a: usize): u64 {
  return (limb(a, 24) >> 24) | (limb(a, 28) << 4) | (limb(a, 32) << 32) | (limb(a, 36) << 60);
}
// @ts-ignore: decorator
@inline function word4(a: usize): u64 {
  return (limb(a, 36) >> 4) | (limb(a, 40) << 24) | (limb(a, 44) << 52);
}
// @ts-ignore: decorator
@inline function word5(a: usize): u64 {
  return (limb(a, 44) >> 12) | (limb(a, 48) << 16) | (limb(a, 52) << 44);
}

/** The members are those of Mod256. */
@unmanaged
export class Mod384 {
  @inline get size(): u32 { return 48; }
  @inline get limbs(): usize { return 14; }
  @inline get limbBits(): u32 { return 28; }
  @inline get bytes(): usize { return BYTES; }

  /** 48 bytes big-endian into limbs; any value. */
  fromBe(r: usize, bePtr: usize): void {
    split(
      r, loadBe64(bePtr + 40), loadBe64(bePtr + 32), loadBe64(bePtr + 24),
      loadBe64(bePtr + 16), loadBe64(bePtr + 8), loadBe64(bePtr),
    );
  }

  /** A number below 2^384 as 48 bytes big-endian. */
  toBe(bePtr: usize, a: usize): void {
    const w0 = word0(a), w1 = word1(a), w2 = word2(a), w3 = word3(a), w4 = word4(a), w5 = word5(a);
    storeBe64(bePtr + 40, w0);
    storeBe64(bePtr + 32, w1);
    storeBe64(bePtr + 24, w2);
    storeBe64(bePtr + 16, w3);
    storeBe64(bePtr + 8, w4);
    storeBe64(bePtr, w5);
  }

  /** The form of tables and of digits: 48 bytes in native words, a number below 2^384. */
  pack(ptr: usize, a: usize): void {
    store<u64>(ptr, word0(a));
    store<u64>(ptr, word1(a), 8);
    store<u64>(ptr, word2(a), 16);
    store<u64>(ptr, word3(a), 24);
    store<u64>(ptr, word4(a), 32);
    store<u64>(ptr, word5(a), 40);
  }

  unpack(r: usize, ptr: usize): void {
    split(
      r, load<u64>(ptr), load<u64>(ptr, 8), load<u64>(ptr, 16),
      load<u64>(ptr, 24), load<u64>(ptr, 32), load<u64>(ptr, 40),
    );
  }

  /** r = a·b/R mod M, below 2^385 if a and b are; the rows of mod256.ts, five more of them. */
  montMul(r: usize, a: usize, b: usize, m: usize): void {
    const inverse = <u64>load<u32>(m, 2 * BYTES);
    const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
    const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32), b9 = limb(b, 36);
    const b10 = limb(b, 40), b11 = limb(b, 44), b12 = limb(b, 48), b13 = limb(b, 52);
    let t0: u64 = 0, t1: u64 = 0, t2: u64 = 0, t3: u64 = 0, t4: u64 = 0, t5: u64 = 0, t6: u64 = 0;
    let t7: u64 = 0, t8: u64 = 0, t9: u64 = 0, t10: u64 = 0, t11: u64 = 0, t12: u64 = 0;
    for (let i: usize = 0; i < BYTES; i += 4) {
      const ai = limb(a, i);
      t0 += ai * b0;
      const q = ((t0 & LIMB_MASK) * inverse) & LIMB_MASK;
      t0 = (t0 + q * limb(m, 0)) >> 28;
      t0 += t1 + ai * b1 + q * limb(m, 4);
      t1 = t2 + ai * b2 + q * limb(m, 8);
      t2 = t3 + ai * b3 + q * limb(m, 12);
      t3 = t4 + ai * b4 + q * limb(m, 16);
      t4 = t5 + ai * b5 + q * limb(m, 20);
      t5 = t6 + ai * b6 + q * limb(m, 24);
      t6 = t7 + ai * b7 + q * limb(m, 28);
      t7 = t8 + ai * b8 + q * limb(m, 32);
      t8 = t9 + ai * b9 + q * limb(m, 36);
      t9 = t10 + ai * b10 + q * limb(m, 40);
      t10 = t11 + ai * b11 + q * limb(m, 44);
      t11 = t12 + ai * b12 + q * limb(m, 48);
      t12 = ai * b13 + q * limb(m, 52);
    }
    t1 += t0 >> 28;
    t2 += t1 >> 28;
    t3 += t2 >> 28;
    t4 += t3 >> 28;
    t5 += t4 >> 28;
    t6 += t5 >> 28;
    t7 += t6 >> 28;
    t8 += t7 >> 28;
    t9 += t8 >> 28;
    t10 += t9 >> 28;
    t11 += t10 >> 28;
    t12 += t11 >> 28;
    store<u32>(r, <u32>(t0 & LIMB_MASK));
    store<u32>(r, <u32>(t1 & LIMB_MASK), 4);
    store<u32>(r, <u32>(t2 & LIMB_MASK), 8);
    store<u32>(r, <u32>(t3 & LIMB_MASK), 12);
    store<u32>(r, <u32>(t4 & LIMB_MASK), 16);
    store<u32>(r, <u32>(t5 & LIMB_MASK), 20);
    store<u32>(r, <u32>(t6 & LIMB_MASK), 24);
    store<u32>(r, <u32>(t7 & LIMB_MASK), 28);
    store<u32>(r, <u32>(t8 & LIMB_MASK), 32);
    store<u32>(r, <u32>(t9 & LIMB_MASK), 36);
    store<u32>(r, <u32>(t10 & LIMB_MASK), 40);
    store<u32>(r, <u32>(t11 & LIMB_MASK), 44);
    store<u32>(r, <u32>(t12 & LIMB_MASK), 48);
    store<u32>(r, <u32>(t12 >> 28), 52);
  }
}
