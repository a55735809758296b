/**
 * HMAC_DRBG with SHA-256, SP 800-90A Rev. 1 §10.1.2: security strength 256 bits.
 *
 * K and V are chained through HMAC only. Update ends every request, so what is left in memory
 * afterwards does not give back what was put out (backtracking resistance), provided that nothing
 * else remembers the old K: the temporaries here and below, midstates of K included, are zeroed
 * before return instead of being left to the batch's wipe. The midstates of the K that is valid are kept beside it:
 * a quarter of a short request's work, and no more than K itself tells. Rejected: CTR_DRBG, whose block cipher
 * would need a constant-time key schedule at each update; Hash_DRBG, which leans on more of the
 * hash than HMAC's proof does.
 *
 * The state is the vault's, one a cell; a counter of 0 says that it was never instantiated, and every
 * wipe makes it so. Failure is answered before state or output is touched. Only lengths and the
 * counter are branched on; both are public. out must not overlap the additional input.
 */
import { DRBG_SCRATCH, DRBG_STATE } from "../layout";
import { SHA256 } from "../sha2/hash";
import {
  HMAC_STATE_SIZE,
  hmac256Keep,
  hmac256Take,
  hmacFinal,
  hmacInit,
  hmacRestart,
  hmacUpdate,
  hmacWipeScratch,
} from "../sha2/hmac";
import { SHA256_SIZE } from "../sha2/sha256";

const HMAC_SIZE: u32 = SHA256_SIZE;

const K: usize = DRBG_STATE;
const V: usize = K + HMAC_SIZE;
/** Requests since the last seed, beginning at 1: §10.1.2.3 step 5. */
const RESEED_COUNTER: usize = V + HMAC_SIZE;
/** What HMAC makes of K: follows K always. */
const MIDSTATES: usize = RESEED_COUNTER + 8;

// Scratch: an HMAC state ‖ the byte that separates the two rounds of Update.
const STATE: usize = DRBG_SCRATCH;
const ROUND: usize = STATE + HMAC_STATE_SIZE;

// Table 2. The nonce is half the strength in bits and comes appended to the entropy input: §8.6.7.
const MIN_ENTROPY: u32 = 32;
const MIN_NONCE: u32 = 16;
const MAX_REQUEST: u32 = 1 << 16; // 2^19 bits
const RESEED_INTERVAL: u64 = 1 << 48;

/** Key STATE with K, which is new. */
function keyed(): void {
  hmacInit(SHA256, STATE, K, HMAC_SIZE);
  hmac256Keep(STATE, MIDSTATES);
}

/** K = HMAC(K, V ‖ round ‖ a ‖ b); V = HMAC(K, V). */
function updateRound(round: u8, aPtr: usize, aLen: u32, bPtr: usize, bLen: u32): void {
  store<u8>(ROUND, round);
  hmac256Take(STATE, MIDSTATES);
  hmacUpdate(STATE, V, HMAC_SIZE);
  hmacUpdate(STATE, ROUND, 1);
  hmacUpdate(STATE, aPtr, aLen);
  hmacUpdate(STATE, bPtr, bLen);
  hmacFinal(STATE, K);
  keyed();
  nextV();
}

/** V = HMAC(K, V), with K already in STATE. */
// @ts-ignore: decorator
@inline function nextV(): void {
  hmacUpdate(STATE, V, HMAC_SIZE);
  hmacFinal(STATE, V);
}

/** HMAC_DRBG_Update, §10.1.2.2, with provided_data = a ‖ b. STATE is left keyed with the new K. */
function update(aPtr: usize, aLen: u32, bPtr: usize, bLen: u32): void {
  updateRound(0, aPtr, aLen, bPtr, bLen);
  if ((aLen | bLen) != 0) updateRound(1, aPtr, aLen, bPtr, bLen);
}

function wipeTemporaries(): void {
  memory.fill(STATE, 0, ROUND + 1 - STATE);
  hmacWipeScratch();
}

/** §10.1.2.3. entropy is entropy input ‖ nonce, 48 bytes or more, else 0. A second call starts afresh. */
export function drbgInstantiate(entropyPtr: usize, entropyLen: u32, personalPtr: usize, personalLen: u32): u32 {
  if (entropyLen < MIN_ENTROPY + MIN_NONCE) return 0;
  memory.fill(K, 0x00, HMAC_SIZE);
  memory.fill(V, 0x01, HMAC_SIZE);
  keyed();
  update(entropyPtr, entropyLen, personalPtr, personalLen);
  store<u64>(RESEED_COUNTER, 1);
  wipeTemporaries();
  return 1;
}

/** §10.1.2.4. 0 if entropy is under 32 bytes or there is no state to reseed. */
export function drbgReseed(entropyPtr: usize, entropyLen: u32, addPtr: usize, addLen: u32): u32 {
  if (entropyLen < MIN_ENTROPY || load<u64>(RESEED_COUNTER) == 0) return 0;
  update(entropyPtr, entropyLen, addPtr, addLen);
  store<u64>(RESEED_COUNTER, 1);
  wipeTemporaries();
  return 1;
}

/**
 * §10.1.2.5. 0 if more than 65536 bytes are asked for, a reseed is due, or there is no state;
 * out and state are then untouched.
 */
export function drbgGenerate(outPtr: usize, outLen: u32, addPtr: usize, addLen: u32): u32 {
  const counter = load<u64>(RESEED_COUNTER);
  if (outLen > MAX_REQUEST || counter == 0 || counter > RESEED_INTERVAL) return 0;
  if (addLen > 0) update(addPtr, addLen, 0, 0);
  else hmac256Take(STATE, MIDSTATES);
  for (let done: u32 = 0; done < outLen; done += HMAC_SIZE) {
    hmacRestart(STATE);
    nextV();
    memory.copy(outPtr + done, V, min(outLen - done, HMAC_SIZE));
  }
  update(addPtr, addLen, 0, 0);
  store<u64>(RESEED_COUNTER, counter + 1);
  wipeTemporaries();
  return 1;
}
