/** The whole HSM's part: public interface, policy, log on disk and wiping on, a cell a core. */
import { cost } from './cost.mjs';
import { fairness } from './fairness.mjs';
import { latency } from './latency.mjs';
import { licence } from './licence.mjs';
import { logins } from './logins.mjs';
import { memory } from './memory.mjs';
import { openBenchHsm } from './open.mjs';
import { HOW_TO_INSTALL, openSoftHsm } from './softhsm.mjs';
import { starvation } from './starvation.mjs';
import { throughput } from './throughput.mjs';

/**
 * @typedef {object} HsmCase
 * @property {string} name
 * @property {boolean} [long] Takes minutes: only with --long.
 * @property {(context: object) => Promise<import('../report.mjs').Row[]>} measure Throws where a result is wrong.
 * @property {Record<string, string>} [missing] Why a row may be missing.
 */

/** @type {HsmCase[]} */
export const HSM_CASES = [
  ...throughput,
  ...licence,
  ...cost,
  ...latency,
  ...fairness,
  ...starvation,
  ...logins,
  ...memory,
];

export const MISSING = {
  'sign-softhsm': `SoftHSM2 or pkcs11js is not installed: ${HOW_TO_INSTALL}`,
  memory: 'takes minutes: --long',
};

/**
 * @param {HsmCase[]} cases
 * @param {{ core: import('../kernels/core.mjs').Core, pace: import('../measure.mjs').Pace, pkcs11js?: string, operations: number, long?: boolean }} options
 * @param {{ begin: (name: string) => void, done: () => void }} bar
 */
export async function measureHsm(cases, { pkcs11js, ...options }, bar) {
  const { close, ...opened } = await openBenchHsm();
  let softhsm;
  const peer = async () => {
    softhsm ??= openSoftHsm(pkcs11js);
    return softhsm;
  };
  const rows = [];
  try {
    for (const each of cases) {
      bar.begin(each.name);
      rows.push(...(await each.measure({ ...opened, ...options, peer })));
      bar.done();
    }
  } finally {
    softhsm?.close();
    await close();
  }
  return rows;
}
