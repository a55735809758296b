/** The figures as a person reads them: a table for each number of cells. */
import type { Load } from './load.ts';

export interface Row {
  readonly name: string;
  readonly loads: readonly Load[];
}

export function table(cells: number, inFlight: readonly number[], rows: readonly Row[]): string {
  const heading = [
    `${cells} ${cells === 1 ? 'cell' : 'cells'}`,
    'one call waits',
    ...inFlight.flatMap((count) => [`${count} in flight`, 'p99']),
  ];
  const lines = rows.map(({ name, loads: [alone, ...more] }) => {
    if (more.length === 0)
      return [name, '', ...inFlight.slice(1).flatMap(() => ['', '']), rate(alone!), wait(alone!.p99Milliseconds)];
    return [name, wait(alone!.p50Milliseconds), ...more.flatMap((load) => [rate(load), wait(load.p99Milliseconds)])];
  });
  const all = [heading, ...lines];
  const widths = heading.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const laid = all.map((line) =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('   ')
      .trimEnd(),
  );
  return laid.join('\n');
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
