/**
 * The theorem of SECURITY.md over every sequence of a few calls, from every pair of roots: T1, T2 and T3 of whatever is not
 * Known. Three calls exhaustively and a seeded sample of four; `npm run test:long` makes it four exhaustively.
 */
import { expect, test } from 'vitest';
import { breach, calls, ROOTS, type State, start } from './symbolic.ts';

Error.stackTraceLimit = 0;
const LONG = process.env['KEYCELL_LONG'] !== undefined;
const DEPTH = LONG ? 4 : 3;
const SAMPLES = 2000;

const names = Object.keys(ROOTS);
/** Two roots of one user; or of two, where these can meet: only an agreement has halves of both. */
const pairs = names.flatMap((first, i) =>
  names.slice(i).flatMap((second) => {
    const owners = first.startsWith('agreement') && second.startsWith('agreement') ? [0, 1] : [0];
    return owners.map((owner) => [
      { root: first, owner: 0 },
      { root: second, owner },
    ]);
  }),
);

function* stepsFrom(states: readonly State[]): Generator<State> {
  for (const state of states) yield* calls(state);
}

/** Every state that at most `depth` calls reach, once, and how many steps lead to them. */
function search(first: State, depth: number): { states: number; steps: number } {
  const seen = new Set([first.name]);
  let level = [first];
  let steps = 0;
  for (let step = 1; step <= depth; step++) {
    const next: State[] = [];
    for (const reached of stepsFrom(level)) {
      steps++;
      if (seen.has(reached.name)) continue;
      const wrong = breach(reached);
      if (wrong !== undefined) throw new Error(`${wrong}\n${reached.name.replaceAll(',', '\n')}`);
      seen.add(reached.name);
      // The last are not gone on from: their names are enough.
      if (step < depth) next.push(reached);
    }
    level = next;
  }
  return { states: seen.size, steps };
}

test(`every sequence of ${DEPTH} calls`, { timeout: LONG ? 3_600_000 : 120_000 }, () => {
  const sum = { pairs: pairs.length, states: 0, steps: 0 };
  for (const pair of pairs) {
    const { states, steps } = search(start(pair), DEPTH);
    sum.states += states;
    sum.steps += steps;
  }
  console.info(`${DEPTH} calls from ${sum.pairs} pairs of roots: ${sum.steps} steps, ${sum.states} states`);
  expect(sum.states).toBeGreaterThan(10_000);
});

/** Numbers that look random and are the same every time (mulberry32). */
function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`${SAMPLES} sequences of four to eight calls`, () => {
  const random = seeded(13);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  let longest = 0;
  for (let i = 0; i < SAMPLES; i++) {
    let state = start(pick(pairs));
    const depth = 4 + Math.floor(random() * 5);
    for (let step = 0; step < depth; step++) state = pick([...calls(state, true)]);
    longest = Math.max(longest, state.keys.length + state.blobs.length);
    const wrong = breach(state);
    if (wrong !== undefined) throw new Error(`${wrong}\n${state.name.replaceAll(',', '\n')}`);
  }
  console.info(`${SAMPLES} sampled; up to ${longest} keys and blobs`);
});
