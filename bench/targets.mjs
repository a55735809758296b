/**
 * What is to be reached: every row of both tables, in the order they are printed, each with its must and its aim.
 *
 * A row's figure is a ratio to the peer (x, more is better), a rate (MB/s, more is better), or a cost (µs, or % of what
 * the title names; less is better, but for throughput kept). Rows without a must are for information.
 */

/** @typedef {'plain' | 'relaxed'} Build */
/** @typedef {{ must: number, aim: number }} Goal */
/**
 * @typedef {object} Target
 * @property {string} id
 * @property {string} title
 * @property {'x' | 'MB/s' | 'µs' | 'ms' | '%'} unit
 * @property {'higher' | 'lower'} better
 * @property {Partial<Record<Build, Goal>>} goals By the build that runs; both alike where the build makes no difference.
 */

const goal = ([must, aim]) => ({ must, aim });

/** A kernel against node:crypto. @returns {Target} */
const kernel = (id, title, plain, relaxed = plain) => ({
  id,
  title,
  unit: 'x',
  better: 'higher',
  goals: plain === undefined ? {} : { plain: goal(plain), relaxed: goal(relaxed) },
});

/** What an inverse takes of the time of its forward direction. @returns {Target} */
const inverse = (id, title) => ({
  id,
  title,
  unit: '%',
  better: 'lower',
  goals: { plain: { must: 110, aim: 110 }, relaxed: { must: 110, aim: 110 } },
});

/** @returns {Target} */
const whole = (id, title, must, aim, unit = 'x', better = unit === 'x' ? 'higher' : 'lower') => ({
  id,
  title,
  unit,
  better,
  goals: must === undefined ? {} : { plain: { must, aim }, relaxed: { must, aim } },
});

/** Kernels: one core, ratio to node:crypto in its best form. */
export const KERNELS = [
  kernel('sign-p256-32', 'P-256 sign, batch of 32', [2, 3], [2.5, 4]),
  kernel('sign-p256-16', 'P-256 sign, batch of 16', [2, 3], [2.5, 4]),
  kernel('sign-p256-1', 'P-256 sign, one', [0.9, 1.3], [1, 1.5]),
  kernel('sign-p384', 'P-384 sign, batch of 32', [20, 35], [20, 40]),
  kernel('sign-secp256k1', 'secp256k1 sign, batch of 32', [22, 40], [25, 45]),
  kernel('verify-p256-seen', 'P-256 verify, key seen before', [3, 5], [4, 8]),
  kernel('verify-p256-new', 'P-256 verify, a new key each time', [1, 1.4], [1.1, 2]),
  kernel('keygen-p256', 'P-256 key generation, batch of 32', [2, 3], [2.5, 4]),
  kernel('ecdh-p256', 'P-256 ECDH, batch of 32', [1, 2], [1.1, 2.5]),
  kernel('gcm-16', 'AES-256-GCM, 16 B', [6, 8], [8, 10]),
  kernel('gcm-64', 'AES-256-GCM, 64 B', [4, 5], [4.5, 6]),
  kernel('gcm-256', 'AES-256-GCM, 256 B', [1.8, 2.5], [2.3, 3]),
  kernel('gcm-1024', 'AES-256-GCM, 1 KiB', [0.9, 1.2], [1, 1.4]),
  {
    id: 'gcm-bulk',
    title: 'AES-256-GCM, 1 MiB',
    unit: 'MB/s',
    better: 'higher',
    goals: { plain: { must: 240, aim: 300 }, relaxed: { must: 300, aim: 380 } },
  },
  kernel('gcm-bulk-noble', 'AES-256-GCM, 1 MiB, against noble', [10, 10]),
  kernel('gcm-bulk-node', 'AES-256-GCM, 1 MiB, against AES-NI'),
  kernel('kw-1', 'AES-256-KW, 32 B, one', [2.2, 3.5], [3, 4]),
  kernel('kw-8', 'AES-256-KW, 32 B, batch of 8', [7, 9], [7, 10]),
  kernel('kwp-1', 'AES-256-KWP, 32 B, one', [2.2, 3.5], [3, 4]),
  kernel('kwp-8', 'AES-256-KWP, 32 B, batch of 8', [7, 9], [7, 10]),
  inverse('gcm-16-open', 'AES-256-GCM, 16 B: open to seal'),
  inverse('gcm-64-open', 'AES-256-GCM, 64 B: open to seal'),
  inverse('gcm-256-open', 'AES-256-GCM, 256 B: open to seal'),
  inverse('gcm-1024-open', 'AES-256-GCM, 1 KiB: open to seal'),
  inverse('gcm-bulk-open', 'AES-256-GCM, 1 MiB: open to seal'),
  inverse('kw-1-unwrap', 'AES-256-KW, one: unwrap to wrap'),
  inverse('kw-8-unwrap', 'AES-256-KW, batch of 8: unwrap to wrap'),
  inverse('kwp-1-unwrap', 'AES-256-KWP, one: unwrap to wrap'),
  inverse('kwp-8-unwrap', 'AES-256-KWP, batch of 8: unwrap to wrap'),
  kernel('keygen-p256-1', 'P-256 key generation, one'),
  kernel('keygen-p256-ecdh', 'P-256 key generation, batch of 32, against createECDH'),
  kernel('verify-p384', 'P-384 verify, key seen before'),
  kernel('verify-secp256k1', 'secp256k1 verify, key seen before'),
  kernel('sha256-32', 'SHA-256, 32 B'),
  kernel('sha256-1024', 'SHA-256, 1 KiB'),
  kernel('sha256-bulk', 'SHA-256, 1 MiB'),
  kernel('hmac-64', 'HMAC-SHA-256, 64 B'),
  kernel('hmac-1024', 'HMAC-SHA-256, 1 KiB'),
];

/** Through the whole HSM. */
export const HSM = [
  whole('sign', 'session.sign, P-256, against node’s asynchronous sign', 1.6, 2.5),
  whole('sign-many', 'signMany, P-256, 1 000 a call, against the same', 1.8, 3),
  whole('sign-softhsm', 'session.sign, P-256, against SoftHSM2', 6, 10),
  whole('sign-p384', 'session.sign, P-384, against node’s asynchronous sign', 15, 30),
  whole('wrap', 'wrapKey of 32 B, against node’s synchronous form', 1.5, 3),
  whole('unwrap', 'unwrapKey of 32 B, against the same', 1.5, 3),
  whole('encrypt-64', 'encrypt of 64 B records, against the same', 1, 1.5),
  whole('encrypt-64-envelope', 'encrypt of 64 B records, as envelopes'),
  whole('encrypt-64-keys', 'encrypt of 64 B records, as envelopes, 1 000 keys in turn'),
  whole('licence', 'a licence with 4 keys, against node:crypto', 1.5, 2.5),
  whole('cpu-outside', 'CPU of a P-256 signature outside the kernel', 6, 3, 'µs'),
  whole('cpu-main', 'of it the main thread', 4, 2, 'µs'),
  whole('in-flight', '16 in flight: throughput kept of that with 512', 45, 60, '%', 'higher'),
  whole('idle', 'an idle caller’s p50 to bare port and kernel', 1.5, 1.2, 'x', 'lower'),
  whole('tail', '64 in flight: p99 to p50', 4, 2.5, 'x', 'lower'),
  whole('memory', 'memory after 10 million operations to after 100 thousand', 105, 100, '%'),
  whole('login-tail', '16 in flight: p99 beside a flood of wrong logins to p99 alone', 2, 1.5, 'x', 'lower'),
  whole('login-delay', 'a right login beside that flood', 1_000_000, 500_000, 'µs'),
  whole('fairness', 'signatures lost beyond the fair share beside large encryptions', 15, 5, '%'),
  whole('starvation', 'a user’s P-256 signature beside another user’s worst flood, p99.9', 250, 100, 'ms', 'lower'),
];

/** Whether a figure is good enough: undefined where there is nothing to reach. */
export function verdict(target, build, value) {
  const wanted = target.goals[build];
  if (wanted === undefined) return undefined;
  const reached = (limit) => (target.better === 'higher' ? value >= limit : value <= limit);
  return reached(wanted.aim) ? 'aim' : reached(wanted.must) ? 'must' : 'missed';
}
