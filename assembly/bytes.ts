/** The only place that loads and stores big-endian. */

// @ts-ignore: decorator
@inline export function loadBe32(ptr: usize): u32 {
  return bswap(load<u32>(ptr));
}

// @ts-ignore: decorator
@inline export function storeBe32(ptr: usize, value: u32): void {
  store<u32>(ptr, bswap(value));
}

// @ts-ignore: decorator
@inline export function loadBe64(ptr: usize): u64 {
  return bswap(load<u64>(ptr));
}

// @ts-ignore: decorator
@inline export function storeBe64(ptr: usize, value: u64): void {
  store<u64>(ptr, bswap(value));
}
