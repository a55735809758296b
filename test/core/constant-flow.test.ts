/**
 * Constant flow, as far as a compiled module can show it: which functions have a `select`, or an `if` that is not a loop's
 * own. Every one of them was read, and what it hangs on is said here; a change of source or compiler that adds one fails.
 * What V8 makes of the rest is not seen here.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BUILD } from '../support/core.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** [selects, ifs beyond one a loop, what they hang on]: always something public. */
const REVIEWED: Record<string, readonly [selects: number, ifs: number, on: string]> = {
  'aes/bitslice_decrypt/decryptSliced': [0, 2, 'the round, and how many there are'],
  'aes/bitslice_encrypt/encryptSliced': [0, 1, 'the round, and how many there are'],
  'aes/block/aesDecryptBlock': [2, 1, 'whether the area holds a key: its number of rounds'],
  'aes/block/aesEncryptBlock': [2, 1, 'whether the area holds a key: its number of rounds'],
  'aes/cbc/cbcDecrypt': [5, 5, 'lengths, rounds; the padding is judged by masks'],
  'aes/cbc/cbcEncrypt': [1, 2, 'lengths, rounds'],
  'aes/check_value/aesCheckValues': [1, 10, 'the lengths of the keys, and how many there are'],
  'aes/cmac/cmac': [1, 3, 'lengths, rounds'],
  'aes/cmac/cmacVerify': [0, 2, 'the length of the MAC; whether it could be computed'],
  'aes/ctr/aesCtr': [2, 3, 'lengths, rounds, the counter'],
  'aes/ctr32/ctr32Xor': [5, 2, 'lengths, and the counter, which is public: ctr32.ts'],
  'aes/ctr32/ctr32XorHidden': [1, 0, 'lengths'],
  'aes/ctr32/keystream': [1, 2, 'the number of blocks'],
  'aes/schedule_lanes/expandKeys4': [0, 6, 'the length of the keys, and the position in the schedule'],
  'aes/vpaes_schedule/aesExpandKey': [0, 4, 'the length of the key, and the position in the schedule'],
  'aes/vpaes_schedule/prepareDecryption': [0, 1, 'whether the decryption keys were made already'],
  'base64/base64Decode': [0, 2, 'lengths, the position of a digit, and the verdict, which the caller is told'],
  'drbg/hmac-drbg/drbgGenerate': [1, 3, 'lengths and the reseed counter; which hash, always the same'],
  'drbg/hmac-drbg/drbgInstantiate': [0, 1, 'lengths'],
  'drbg/hmac-drbg/drbgReseed': [0, 2, 'lengths and the reseed counter'],
  'drbg/hmac-drbg/update': [0, 1, 'whether there is additional input'],
  'ec/curves/ecKeyGenerate': [0, 3, 'the number of the curve'],
  'ec/curves/ecKeyGenerateMany': [6, 3, 'the number of the curve; how many jobs there are'],
  'ec/curves/ecPointValidate': [0, 6, 'the number of the curve; a public key'],
  'ec/curves/ecPublicKey': [0, 3, 'the number of the curve'],
  'ec/curves/ecdh': [0, 3, 'the number of the curve'],
  'ec/curves/ecdsaSign': [6, 8, 'the numbers of curve and hash; how many jobs there are'],
  'ec/curves/ecdsaSignRaw': [0, 4, 'the numbers of curve and hash'],
  'ec/curves/ecdsaVerify': [6, 4, 'the numbers of curve and hash; the size of a group'],
  'ec/der/decodeInteger': [0, 8, 'a signature: public'],
  'ec/der/derDecode': [1, 2, 'a signature: public'],
  'ec/der/derEncode': [0, 2, 'a signature: public'],
  'ec/ecdh/agree': [
    3,
    5,
    'how many jobs; whether the peer sent a valid point; whether a Z is 0, as none is: ladder.ts',
  ],
  'ec/ecdsa/firstCandidates': [0, 2, 'which hash and which size, and which jobs have noise'],
  'ec/ecdsa/signGroup': [0, 2, 'whether k, r and s were in range: ecdsa.ts'],
  'ec/ecdsa/signWith': [0, 1, 'whether R is on the curve, as it always is but for a fault'],
  'ec/invert/invert': [0, 2, 'which half of a batch of steps; whether the steps were enough, as they always are'],
  'ec/key_tables/buildTable': [0, 1, 'which row: public keys'],
  'ec/key_tables/keyTable': [1, 4, 'a public key'],
  'ec/key_tables/loadPowers': [1, 0, 'which curve'],
  'ec/ladder/ladder': [0, 1, 'which digit'],
  'ec/ladder/selectEntries': [0, 1, 'whether the scalar is secret'],
  'ec/multiply_base/multiplyBaseGroup': [0, 3, 'whether the sums came out, and by other formulas: multiply_base.ts'],
  'ec/multiply_base/multiplyByLanes': [2, 2, 'the window and the lane'],
  'ec/multiply_base/multiplyByTree': [0, 3, 'how many scalars there are'],
  'ec/nonce/nonceInit': [0, 1, 'whether noise was given'],
  'ec/nonce/nonceNext': [0, 2, 'which hash and which size'],
  'ec/nonce/update': [0, 1, 'which hash'],
  'ec/nonce_lanes/nonceLane': [0, 1, 'whether noise was given'],
  'ec/nonce_lanes/nonceLanes': [1, 0, 'whether noise was given'],
  'ec/odd_multiples/grow': [2, 5, 'the position in the table; whether the powers double'],
  'ec/point/affineFromBytes': [0, 4, 'a public key'],
  'ec/scalar/scalarFromDigest': [0, 1, 'the length of the digest'],
  'ec/verify/loadTerms': [20, 4, 'keys and signatures: public'],
  'ec/verify/recode': [1, 1, 'keys and signatures: public'],
  'ec/verify/verifyAlone': [0, 1, 'keys and signatures: public'],
  'ec/verify/verifyFour': [2, 1, 'keys and signatures: public'],
  'ec/verify/verifyGroup': [1, 9, 'keys and signatures: public'],
  'gcm/gcm/deriveJ0': [0, 1, 'the length of the IV'],
  'gcm/gcm/finishStream': [0, 2, 'lengths'],
  'gcm/gcm/gcmOpen': [1, 4, 'lengths, and the verdict on the tag, which the caller is told'],
  'gcm/gcm/gcmSeal': [1, 2, 'lengths'],
  'gcm/gcm/startStream': [0, 1, 'lengths'],
  'gcm/ghash/ghash': [0, 2, 'lengths'],
  'gcm/ghash/ghashPrepare': [0, 3, 'which tables were made already'],
  'gcm/ghash/makeTables': [0, 1, 'which power of H'],
  'gcm/xaes/deriveKx': [0, 1, 'the length of the key'],
  'gcm/xaes/xaesOpen': [0, 1, 'the length of the key'],
  'gcm/xaes/xaesSeal': [0, 1, 'the length of the key'],
  'keywrap/kwp/KwpUnwrap#finish': [0, 1, 'the verdict, which the caller is told'],
  'keywrap/permute/gather': [2, 3, 'lengths, rounds, which jobs are of one key'],
  'keywrap/permute/gather<assembly/keywrap/kw/KwUnwrap>': [6, 3, 'the same, and which lengths are legal'],
  'keywrap/permute/gather<assembly/keywrap/kw/KwWrap>': [6, 3, 'the same, and which lengths are legal'],
  'keywrap/permute/gather<assembly/keywrap/kwp/KwpUnwrap>': [6, 3, 'the same, and which lengths are legal'],
  'keywrap/permute/permuteMany': [5, 3, 'lengths, rounds, how many jobs go together'],
  'keywrap/permute/permuteMany<assembly/keywrap/kw/KwUnwrap>': [
    11,
    5,
    'the same, and the verdict, which the caller is told',
  ],
  'keywrap/permute/permuteMany<assembly/keywrap/kw/KwWrap>': [11, 3, 'the same, and which lengths are legal'],
  'keywrap/permute/permuteMany<assembly/keywrap/kwp/KwpUnwrap>': [11, 3, 'the same, and which lengths are legal'],
  'keywrap/permute/permuteOne': [2, 2, 'lengths, rounds'],
  'keywrap/permute/permuteOne<assembly/keywrap/kw/KwUnwrap>': [
    4,
    3,
    'lengths, rounds, and the verdict, which the caller is told',
  ],
  'keywrap/permute/permuteOne<assembly/keywrap/kw/KwWrap>': [4, 2, 'lengths, rounds'],
  'keywrap/permute/permuteOne<assembly/keywrap/kwp/KwpUnwrap>': [4, 2, 'lengths, rounds'],
  'keywrap/wrap/unwrapInPlace': [0, 1, 'the number of semiblocks'],
  'keywrap/wrap/wrapInPlace': [0, 1, 'the number of semiblocks'],
  'keywrap/wrap_lanes/unwrapLanes': [0, 1, 'how many lanes are asked for'],
  'keywrap/wrap_lanes/wrapLanes': [0, 1, 'how many lanes are asked for'],
  'keywrap/wrap_sliced/start': [1, 0, 'the round'],
  'record/record/makeContexts': [0, 1, 'how many jobs'],
  'record/record/recordOpen': [1, 1, 'how many jobs; whether there is a context'],
  'record/record/recordSeal': [1, 2, 'the same; whether lengths were refused'],
  'sha2/hash/hash': [0, 3, 'which hash'],
  'sha2/hash_many/hashMany': [1, 2, 'which hash, how many messages, and their lengths'],
  'sha2/hkdf/hkdf': [1, 3, 'which hash, and the length asked for'],
  'sha2/hmac/absorbKey': [0, 3, 'which hash'],
  'sha2/hmac/hmac': [0, 1, 'which hash'],
  'sha2/hmac/hmacFinal': [0, 4, 'which hash'],
  'sha2/hmac/hmacInit': [0, 6, 'which hash, and the length of the key'],
  'sha2/hmac/hmacUpdate': [0, 1, 'which hash'],
  'sha2/hmac/hmacVerify': [0, 2, 'which hash, and the length of the MAC'],
  'sha2/kdf/concatKdf': [1, 8, 'which hash, and the length asked for'],
  'sha2/kdf/kdf108': [1, 3, 'which hash, and the length asked for'],
  'sha2/several/absorb': [6, 5, 'lengths, and how many messages'],
  'sha2/several/hmac256Several': [2, 1, 'how many messages'],
  'sha2/several/sha256Several': [0, 1, 'how many messages there are'],
  'sha2/sha256/sha256Final': [0, 1, 'lengths'],
  'sha2/sha256/sha256Update': [0, 2, 'lengths'],
  'sha2/sha256_lanes/compressLanes': [0, 1, 'the round'],
  'sha2/sha512/sha512Final': [0, 1, 'lengths'],
  'sha2/sha512/sha512Update': [0, 2, 'lengths'],
};

test('every select and every branch that is not a loop was reviewed', () => {
  mkdirSync(`${ROOT}build`, { recursive: true });
  const file = `build/flow-${BUILD}`;
  const options = ['--config', 'asconfig.json', '--target', BUILD, '--outFile', `${file}.wasm`];
  const asc = `${ROOT}node_modules/assemblyscript/bin/asc.js`;
  execFileSync(process.execPath, [asc, ...options, '--textFile', `${file}.wat`], { cwd: ROOT, stdio: 'ignore' });
  const text = readFileSync(`${ROOT}${file}.wat`, 'utf8');
  // What the plain build may never have: a machine that refuses it, or computes it otherwise, is why there is one.
  expect(text.includes('relaxed_')).toBe(BUILD === 'relaxed');
  const functions = text.split(/\n \(func \$/).slice(1);
  expect(functions.length).toBeGreaterThan(50);
  const count = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;
  const calls = (name: string) => {
    const body = functions.find((text) => text.startsWith(`assembly/${name} `)) ?? '';
    return [...body.matchAll(/^\s*(?:call \$assembly\/(\S+)|(else)|(if))$/gm)].map(
      (match) => match[1] ?? match[2] ?? match[3],
    );
  };
  // A counter that was hashed is a secret; the faster way follows its last byte.
  expect(calls('gcm/gcm/finishStream').join(' ')).toContain('if aes/ctr32/ctr32Xor else aes/ctr32/ctr32XorHidden');
  expect(calls('aes/ctr32/ctr32XorHidden').filter((name) => name?.startsWith('aes'))).toEqual(['aes/ctr32/keystream']);
  const found: Record<string, readonly [number, number]> = {};
  for (const text of functions) {
    const name = /^"?(?:assembly\/)?([^\s"]+)/.exec(text)![1]!;
    const selects = count(text, /^\s*\(?select\b/gm);
    const ifs = count(text, /^\s*\(?if\b/gm) - count(text, /^\s*\(?loop\b/gm);
    if (selects === 0 && ifs === 0) continue;
    // What is made for several curves is reviewed once, if it came out the same for all of them.
    const common = name.replace(/<.*/, '');
    const same = found[common] === undefined || String(found[common]) === String([selects, ifs]);
    found[same ? common : name] = [selects, ifs];
  }
  const reviewed = Object.entries(REVIEWED).map(([name, [selects, ifs]]) => [name, [selects, ifs]]);
  expect(found).toEqual(Object.fromEntries(reviewed));
});
