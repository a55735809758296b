import { cavp } from './vectors.ts';

/**
 * The records of a CAVP response file: blocks of `name = value` lines. Bracketed headings go into every
 * record that follows: `[PRF=X]` as PRF, a heading without a value as `section`.
 */
export function cavpRecords(text: string): Record<string, string>[] {
  const records: Record<string, string>[] = [];
  const headings: Record<string, string> = {};
  let current: Record<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const heading = /^\[(.*)\]$/.exec(line)?.[1];
    const field = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(heading ?? line);
    if (heading !== undefined) {
      headings[field?.[1] ?? 'section'] = field?.[2] ?? heading;
    } else if (field) {
      if (!current) {
        current = { ...headings };
        records.push(current);
      }
      current[field[1]!] = field[2]!;
    } else {
      current = undefined;
    }
  }
  return records;
}

/** One record of a CAVP response file: its lines `Name = value`, the `[Name = value]` of its section, a bare word as a key of its own. */
export type CavpCase = Record<string, string>;

export function cavpCases(path: string): CavpCase[] {
  const cases: CavpCase[] = [];
  let section: CavpCase = {};
  let afterCase = false;
  for (const raw of cavp(path).split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const bracket = /^\[([^=\]]+?)(?:\s*=\s*([^\]]*))?\]$/.exec(line);
    if (bracket) {
      if (afterCase) section = {};
      afterCase = false;
      section[bracket[1]!] = bracket[2]?.trim() ?? '';
      continue;
    }
    const [name, value = ''] = line.split('=').map((part) => part.trim()) as [string, string?];
    if (name.toUpperCase() === 'COUNT') {
      cases.push({ ...section });
      afterCase = true;
    }
    cases.at(-1)![name] = value;
  }
  return cases;
}
