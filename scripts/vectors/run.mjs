/** One file through a session: every test passed, failed, or refused by design, and why. */
import { ACCEPTABLE, FAMILIES, LONGER_LENGTH, Mismatch } from './families.mjs';

const AT_ONCE = 64;

/**
 * @typedef {object} Report
 * @property {string} file
 * @property {string} schema
 * @property {number} passed
 * @property {number} failed
 * @property {number} refused Valid tests that this HSM refuses on purpose.
 * @property {Record<string, number>} reasons Refusals by their reason.
 * @property {{ tcId: number, what: string }[]} failures
 * @property {{ accepted: number, rejected: number }} acceptable What became of the tests that the file leaves open; counted above, too.
 */

/** A file that cannot be read as what it says it is. */
export class Unreadable extends Error {}

/** @param {unknown} condition @param {string} what */
function must(condition, what) {
  if (!condition) throw new Unreadable(what);
}

/** The family of a file, undefined for one we know nothing of. @param {any} content */
export function familyOf(content) {
  must(content !== null && typeof content === 'object', 'not a JSON object');
  must(typeof content.schema === 'string', 'it names no schema');
  return FAMILIES.get(content.schema);
}

/** Run a whole file. Throws Unreadable. @returns {Promise<Report>} */
export async function runFile(session, file, content, onTests = (_count) => {}) {
  const family = familyOf(content);
  must(Array.isArray(content.testGroups), 'it has no testGroups');
  /** @type {Report} */
  const report = {
    file,
    schema: content.schema,
    passed: 0,
    failed: 0,
    refused: 0,
    reasons: {},
    failures: [],
    acceptable: { accepted: 0, rejected: 0 },
  };
  let tests = 0;
  for (const group of content.testGroups) {
    must(Array.isArray(group.tests), 'a group has no tests');
    tests += group.tests.length;
    const refusal = refusalOf(family, content.algorithm, group);
    if (refusal !== undefined) {
      refuse(report, refusal, group.tests.length);
      onTests(group.tests.length);
      continue;
    }
    for (let from = 0; from < group.tests.length; from += AT_ONCE) {
      const some = group.tests.slice(from, from + AT_ONCE);
      await Promise.all(
        some.map((vector) => runOne(report, family, { session, algorithm: content.algorithm, group, vector })),
      );
      onTests(some.length);
    }
  }
  must(tests === content.numberOfTests, `it says ${content.numberOfTests} tests and holds ${tests}`);
  return report;
}

function refusalOf(family, algorithm, group) {
  try {
    return family.refusal(algorithm, group);
  } catch (error) {
    throw new Unreadable(`a group lacks what its schema asks for (${error.message})`);
  }
}

function refuse(report, reason, count) {
  report.refused += count;
  report.reasons[reason] = (report.reasons[reason] ?? 0) + count;
}

async function runOne(report, family, one) {
  const { tcId, result, flags, comment } = one.vector;
  must(
    ['valid', 'invalid', 'acceptable'].includes(result) && Array.isArray(flags),
    `test ${tcId} has no result or flags`,
  );
  const fail = (what) => {
    report.failed++;
    report.failures.push({ tcId, what });
  };
  let accepted;
  try {
    accepted = await family.run(one);
  } catch (error) {
    if (error instanceof Mismatch && result !== 'invalid') return fail(error.message);
    // An invalid test that opens to something else than the file's plaintext was taken all the same.
    if (error instanceof Mismatch) accepted = true;
    else throw new Unreadable(`test ${tcId} could not be read (${error.message})`);
  }
  const expected = result === 'acceptable' ? decided(flags, comment) : result === 'valid';
  if (expected === undefined) return fail(`nothing is decided about the flags ${flags.join(', ')}`);
  if (result === 'acceptable') report.acceptable[accepted ? 'accepted' : 'rejected']++;
  if (accepted === expected) {
    report.passed++;
    return;
  }
  const reason = accepted ? undefined : family.byDesign?.(one);
  if (reason === undefined) return fail(accepted ? 'taken, and must not be' : 'refused, and must not be');
  refuse(report, reason, 1);
}

/** @param {string[]} flags @param {string} comment */
function decided(flags, comment) {
  if (flags.length === 1 && flags[0] === 'InvalidAsn' && LONGER_LENGTH.test(comment)) return true;
  const decisions = flags.map((flag) => ACCEPTABLE.get(flag));
  if (decisions.length === 0 || decisions.includes(undefined)) return undefined;
  return decisions.every(Boolean);
}
