/**
 * The records of a CAVP response file: blocks of `name = value` lines. Bracketed headings go into every
 * record that follows: `[PRF=X]` as PRF, a heading without a value as `section`. A bare word (FAIL) is a name without a value.
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
    } else if (current && line.trim() !== '') {
      current[line.trim()] = '';
    } else {
      current = undefined;
    }
  }
  return records;
}
