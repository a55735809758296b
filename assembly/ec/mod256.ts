/**
 * Numbers below 2^261 as nine limbs of 29 bits, and Montgomery multiplication with R = 2^261 modulo any odd M,
 * 2^255 < M < 2^256: the form of P-256 and secp256k1.
 *
 * Limbs are u32, least first, in 40 bytes (the tenth word is padding). 29 bits are what makes it fit: a column
 * of a product gathers 9 products a_i·b_j and 9 products q_i·m_j, and 18·(2^29-1)^2 plus a carry below 2^35
 * stays under 2^63. No carry is needed until the whole product stands. 9·29 = 261 leaves R = 2^261 > 31M, so
 * that results need no final subtraction: for a, b < 2^257, (a·b + q·M)/R < 2^253 + M < 2^257 again.
 * Rejected: 8 limbs of 32 bits, whose columns overflow 64 bits and need a carry in each step.
 */
import { loadBe64, storeBe64 } from "../bytes";

const BYTES: usize = 40;
const LIMB_MASK: u64 = 0x1fffffff;

/** Four words of 64 bits, least first, into limbs. */
// @ts-ignore: decorator
@inline function split(r: usize, w0: u64, w1: u64, w2: u64, w3: u64): void {
  store<u32>(r, <u32>(w0 & LIMB_MASK));
  store<u32>(r, <u32>((w0 >> 29) & LIMB_MASK), 4);
  store<u32>(r, <u32>(((w0 >> 58) | (w1 << 6)) & LIMB_MASK), 8);
  store<u32>(r, <u32>((w1 >> 23) & LIMB_MASK), 12);
  store<u32>(r, <u32>(((w1 >> 52) | (w2 << 12)) & LIMB_MASK), 16);
  store<u32>(r, <u32>((w2 >> 17) & LIMB_MASK), 20);
  store<u32>(r, <u32>(((w2 >> 46) | (w3 << 18)) & LIMB_MASK), 24);
  store<u32>(r, <u32>((w3 >> 11) & LIMB_MASK), 28);
  store<u32>(r, <u32>(w3 >> 40), 32);
  store<u32>(r, 0, 36);
}

// @ts-ignore: decorator
@inline function limb(a: usize, offset: usize): u64 {
  return <u64>load<u32>(a + offset);
}

/** Word i of 64 bits of a number below 2^256 in limbs. */
// @ts-ignore: decorator
@inline function word0(a: usize): u64 {
  return limb(a, 0) | (limb(a, 4) << 29) | (limb(a, 8) << 58);
}
// @ts-ignore: decorator
@inline function word1(a: usize): u64 {
  return (limb(a, 8) >> 6) | (limb(a, 12) << 23) | (limb(a, 16) << 52);
}
// @ts-ignore: decorator
@inline function word2(a: usize): u64 {
  return (limb(a, 16) >> 12) | (limb(a, 20) << 17) | (limb(a, 24) << 46);
}
// @ts-ignore: decorator
@inline function word3(a: usize): u64 {
  return (limb(a, 24) >> 18) | (limb(a, 28) << 11) | (limb(a, 32) << 40);
}

/** What modular.ts and the curves ask of a form of numbers; the two forms have the same members. */
@unmanaged
export class Mod256 {
  /** Bytes of a number outside. */
  @inline get size(): u32 { return 32; }
  @inline get limbs(): usize { return 9; }
  @inline get limbBits(): u32 { return 29; }
  /** Bytes of an element that hold something; its place is ELEMENT bytes. */
  @inline get bytes(): usize { return BYTES; }

  /** 32 bytes big-endian into limbs; any value. */
  fromBe(r: usize, bePtr: usize): void {
    split(r, loadBe64(bePtr + 24), loadBe64(bePtr + 16), loadBe64(bePtr + 8), loadBe64(bePtr));
  }

  /** A number below 2^256 as 32 bytes big-endian. */
  toBe(bePtr: usize, a: usize): void {
    const w0 = word0(a), w1 = word1(a), w2 = word2(a), w3 = word3(a);
    storeBe64(bePtr + 24, w0);
    storeBe64(bePtr + 16, w1);
    storeBe64(bePtr + 8, w2);
    storeBe64(bePtr, w3);
  }

  /** The form of tables and of digits: 32 bytes in native words, a number below 2^256. */
  pack(ptr: usize, a: usize): void {
    store<u64>(ptr, word0(a));
    store<u64>(ptr, word1(a), 8);
    store<u64>(ptr, word2(a), 16);
    store<u64>(ptr, word3(a), 24);
  }

  unpack(r: usize, ptr: usize): void {
    split(r, load<u64>(ptr), load<u64>(ptr, 8), load<u64>(ptr, 16), load<u64>(ptr, 24));
  }

  /**
   * r = a·b/R mod M, below 2^257 if a and b are (see above for the columns and the bound).
   * Row by row: t gathers a_i·b, then q·M makes its lowest limb divisible by 2^29 and the columns
   * move down by one.
   */
  montMul(r: usize, a: usize, b: usize, m: usize): void {
    const b0 = limb(b, 0), b1 = limb(b, 4), b2 = limb(b, 8), b3 = limb(b, 12), b4 = limb(b, 16);
    const b5 = limb(b, 20), b6 = limb(b, 24), b7 = limb(b, 28), b8 = limb(b, 32);
    const inverse = <u64>load<u32>(m, 2 * BYTES);
    let t0: u64 = 0, t1: u64 = 0, t2: u64 = 0, t3: u64 = 0, t4: u64 = 0;
    let t5: u64 = 0, t6: u64 = 0, t7: u64 = 0, t8: u64 = 0;
    for (let i: usize = 0; i < 36; i += 4) {
      const ai = limb(a, i);
      t0 += ai * b0;
      const q = ((t0 & LIMB_MASK) * inverse) & LIMB_MASK;
      t0 = (t0 + q * limb(m, 0)) >> 29;
      t0 += t1 + ai * b1 + q * limb(m, 4);
      t1 = t2 + ai * b2 + q * limb(m, 8);
      t2 = t3 + ai * b3 + q * limb(m, 12);
      t3 = t4 + ai * b4 + q * limb(m, 16);
      t4 = t5 + ai * b5 + q * limb(m, 20);
      t5 = t6 + ai * b6 + q * limb(m, 24);
      t6 = t7 + ai * b7 + q * limb(m, 28);
      t7 = t8 + ai * b8 + q * limb(m, 32);
      t8 = 0;
    }
    t1 += t0 >> 29;
    t2 += t1 >> 29;
    t3 += t2 >> 29;
    t4 += t3 >> 29;
    t5 += t4 >> 29;
    t6 += t5 >> 29;
    t7 += t6 >> 29;
    t8 = t7 >> 29;
    store<u32>(r, <u32>(t0 & LIMB_MASK));
    store<u32>(r, <u32>(t1 & LIMB_MASK), 4);
    store<u32>(r, <u32>(t2 & LIMB_MASK), 8);
    store<u32>(r, <u32>(t3 & LIMB_MASK), 12);
    store<u32>(r, <u32>(t4 & LIMB_MASK), 16);
    store<u32>(r, <u32>(t5 & LIMB_MASK), 20);
    store<u32>(r, <u32>(t6 & LIMB_MASK), 24);
    store<u32>(r, <u32>(t7 & LIMB_MASK), 28);
    store<u32>(r, <u32>t8, 32);
    store<u32>(r, 0, 36);
  }
}
