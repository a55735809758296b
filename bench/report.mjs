/** The tables as a person reads them: what it costs here and there, the figure, how far it varied, and what it should be. */
import { verdict } from './targets.mjs';

const WORDS = { aim: 'aim met', must: 'must met', missed: 'MISSED' };

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {number} value The median over the rounds; low and high are the least and the most.
 * @property {number} low
 * @property {number} high
 * @property {{ name: string, micros: number }} [ours] Microseconds of an operation.
 * @property {{ name: string, micros: number }} [theirs]
 * @property {string} [note] What there is to say beside the figures.
 */

/** Rows in the order of the targets, each with what it should be. Rows that were not measured are left out, or say why. */
export function judged(targets, build, rows, missing = {}) {
  return targets.flatMap((target) => {
    const row = rows.find(({ id }) => id === target.id);
    const { title, unit, better } = target;
    const { must, aim } = target.goals[build] ?? {};
    if (row !== undefined) {
      return [{ ...row, title, unit, better, must, aim, verdict: verdict(target, build, row.value) }];
    }
    const why = missing[target.id];
    return why === undefined ? [] : [{ id: target.id, title, unit, better, must, aim, note: why }];
  });
}

/** @param {ReturnType<typeof judged>} rows */
export function table(rows) {
  const heading = ['', 'Keycell', 'peer', 'figure', 'least … most', 'must', 'aim', ''];
  const cells = rows.map(({ title, unit, ours, theirs, value, low, high, must, aim, verdict }) => [
    title,
    ours === undefined ? '' : time(ours.micros),
    theirs === undefined ? '' : time(theirs.micros),
    value === undefined ? 'not measured' : withUnit(value, unit),
    value === undefined ? '' : `${number(low)} … ${number(high)}`,
    must === undefined ? '' : number(must),
    aim === undefined ? '' : number(aim),
    verdict === undefined ? '' : WORDS[verdict],
  ]);
  const all = [heading, ...cells];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(heading), rule, ...cells.map(line)].join('\n');
}

/** What else there is to say of a row: which of the peer's forms was the fastest, why there is no figure. */
export function notes(rows) {
  return rows
    .filter(({ note }) => note !== undefined)
    .map(({ title, note }) => `  ${title}: ${note}`)
    .join('\n');
}

export function summary(rows) {
  const count = (word) => rows.filter(({ verdict }) => verdict === word).length;
  const open = rows.filter(({ must, value }) => must !== undefined && value === undefined).length;
  const judgedRows = rows.filter(({ must }) => must !== undefined).length;
  const rest = open === 0 ? '' : `, ${open} not measured`;
  return `Of ${judgedRows} targets: aim met ${count('aim')}, must met ${count('must')}, missed ${count('missed')}${rest}.`;
}

/** Three digits that count. */
export function number(value) {
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  return value.toFixed(magnitude >= 10 ? 1 : 2);
}

const time = (micros) => (micros >= 10_000 ? `${number(micros / 1000)} ms` : `${number(micros)} µs`);
const withUnit = (value, unit) => `${number(value)} ${unit}`;
