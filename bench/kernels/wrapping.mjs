/** AES-256-KW and KWP of a 32-byte key, one and a batch of 8 under one key-encryption key, both ways. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';

const SIZE = 32;
const BLOB = SIZE + 8;
const BATCH = 8;
const FORMS = [
  { id: 'kw', cipher: 'id-aes256-wrap', iv: 'a6a6a6a6a6a6a6a6' }, // RFC 3394 §2.2.3.1
  { id: 'kwp', cipher: 'id-aes256-wrap-pad', iv: 'a65959a6' }, // RFC 5649 §3
];

/** @param {import('./core.mjs').Core} core */
export function wrapping(core) {
  return FORMS.map(({ id, cipher, iv: hex }) => ({
    name: `wrap AES-256-${id.toUpperCase()}`,
    make() {
      const [kek, iv] = [randomBytes(32), Buffer.from(hex, 'hex')];
      const secret = createSecretKey(kek);
      const keys = Array.from({ length: BATCH }, () => randomBytes(SIZE));
      const run = (make, input) => {
        const each = make(cipher, secret, iv);
        return [each.update(input), each.final()];
      };
      const wrapNode = () => run(createCipheriv, keys[0]);
      const blobs = keys.map((key) => Buffer.concat(run(createCipheriv, key)));
      const unwrapNode = () => run(createDecipheriv, blobs[0]);

      const ctx = core.aes(kek);
      const lanes = keys.map((key) => ({
        key: core.place(key),
        blob: core.reserve(BLOB),
        back: core.reserve(BLOB),
        result: core.reserve(4),
      }));
      const wrap = batch(core, `${id}Wrap`, lanes, (lane) => [ctx, lane.key, SIZE, lane.blob, lane.result]);
      const unwrap = batch(core, `${id}Unwrap`, lanes, (lane) => [ctx, lane.blob, BLOB, lane.back, lane.result]);
      return {
        rivals: {
          'Keycell, one': { run: wrap.one },
          'Keycell, 8': { run: wrap.all, operations: BATCH },
          'node:crypto': { run: wrapNode },
          'Keycell, unwrap one': { run: unwrap.one },
          'Keycell, unwrap 8': { run: unwrap.all, operations: BATCH },
          'node:crypto, unwrap': { run: unwrapNode },
        },
        compare: [
          { id: `${id}-1`, ours: 'Keycell, one', theirs: ['node:crypto'] },
          { id: `${id}-8`, ours: 'Keycell, 8', theirs: ['node:crypto'] },
          { id: `${id}-1-unwrap`, ours: 'Keycell, unwrap one', forward: 'Keycell, one' },
          { id: `${id}-8-unwrap`, ours: 'Keycell, unwrap 8', forward: 'Keycell, 8' },
        ],
        check() {
          const agree = () => {
            lanes.forEach(({ blob, back }, i) => {
              assert.deepEqual(core.read(blob, BLOB), blobs[i]);
              assert.deepEqual(core.read(back, SIZE), keys[i]);
              core.bytes.fill(0, back, back + BLOB);
            });
          };
          wrap.all();
          unwrap.all();
          agree();
          for (const { blob } of lanes) core.bytes.fill(0, blob, blob + BLOB);
          wrap.all();
          wrap.one();
          unwrap.all();
          unwrap.one();
          agree();
          assert.deepEqual(Buffer.concat(unwrapNode()), keys[0]);
        },
      };
    },
  }));
}

/** The core's batch form where the build has one (jobs of ctx, in, inLen, out, result), else one after the other. */
function batch(core, name, lanes, jobOf) {
  const one = core.call[name];
  const many = core.call[`${name}Many`];
  const jobs = lanes.map(jobOf);
  const at = core.jobs(jobs);
  const [ctx, input, length, output] = jobs[0];
  return {
    one: () => one(ctx, input, length, output),
    all: () => {
      if (many !== undefined) many(at, jobs.length);
      else for (const [ctx, input, length, output] of jobs) one(ctx, input, length, output);
    },
  };
}
