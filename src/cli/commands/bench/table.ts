/** The figures as a person reads them: a table for each number of cells. */
import type { Load } from './load.ts';

export interface Row {
  readonly name: string;
  readonly loads: readonly Load[];
}

/** Where a terminal is too narrow for all, the last load alone tells what the slowest calls wait. */
export function table(cells: number, inFlight: readonly number[], rows: readonly Row[], columns?: number): string {
  const whole = laid(full(cells, inFlight, rows), '   ');
  const fits = columns === undefined || whole.every((line) => line.length <= columns);
  return (fits ? whole : laid(narrow(cells, inFlight, rows), '  ')).join('\n');
}

const cellsOf = (cells: number): string => `${cells} ${cells === 1 ? 'cell' : 'cells'}`;

function full(cells: number, inFlight: readonly number[], rows: readonly Row[]): string[][] {
  const heading = [cellsOf(cells), 'one call waits', ...inFlight.flatMap((count) => [`${count} in flight`, 'p99'])];
  const lines = rows.map(({ name, loads: [alone, ...more] }) => {
    if (more.length === 0)
      return [name, '', ...inFlight.slice(1).flatMap(() => ['', '']), rate(alone!), wait(alone!.p99Milliseconds)];
    return [name, wait(alone!.p50Milliseconds), ...more.flatMap((load) => [rate(load), wait(load.p99Milliseconds)])];
  });
  return [heading, ...lines];
}

function narrow(cells: number, inFlight: readonly number[], rows: readonly Row[]): string[][] {
  const heading = [cellsOf(cells), 'alone', ...inFlight.map((count) => `at ${count}`), 'p99'];
  const lines = rows.map(({ name, loads: [alone, ...more] }) => {
    if (more.length === 0)
      return [name, '', ...inFlight.slice(1).map(() => ''), rate(alone!), wait(alone!.p99Milliseconds)];
    return [name, wait(alone!.p50Milliseconds), ...more.map(rate), wait(more.at(-1)!.p99Milliseconds)];
  });
  return [heading, ...lines];
}

function laid(lines: readonly (readonly string[])[], gap: string): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join(gap)
      .trimEnd(),
  );
}

const rate = ({ operationsPerSecond }: Load): string => `${digits(operationsPerSecond)}/s`;

const wait = (milliseconds: number): string =>
  milliseconds < 1 ? `${digits(1000 * milliseconds)} µs` : `${digits(milliseconds)} ms`;

/** Three digits that count, thousands apart. */
function digits(value: number): string {
  if (value < 100) return value.toPrecision(3);
  const step = 10 ** (Math.floor(Math.log10(value)) - 2);
  return (Math.round(value / step) * step).toLocaleString('en').replaceAll(',', ' ');
}
