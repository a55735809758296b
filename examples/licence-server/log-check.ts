/** Is the log whole, and does the check name a single altered byte? On a copy: the log itself stays as it is. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyAuditLog } from 'keycell';

export interface LogCheck {
  /** Of the copy, before it was altered. */
  readonly entries: number;
  readonly flippedByte: number;
  /** The entry that byte is in. */
  readonly alteredEntry: number;
  /** The entry and line that the check names, and what it says of them; undefined if it noticed nothing. */
  readonly named: { readonly seq: number; readonly line: number; readonly reason: string } | undefined;
}

export async function checkLog(hsmFolder: string, copy: string): Promise<LogCheck> {
  const name = (await readdir(hsmFolder)).find((file) => file.endsWith('.log'));
  if (name === undefined) throw new Error(`no log in ${hsmFolder}`);
  const log = await readFile(join(hsmFolder, name));
  await writeFile(copy, log);
  const whole = await verifyAuditLog(copy);
  if (!whole.ok) throw new Error(`the log is damaged at line ${whole.line}: ${whole.reason}`);

  // In the middle, where a use was counted: "done":1 becomes "done":0, as somebody would write who hides what he did.
  const flippedByte = log.indexOf('"done":', log.length / 2) + '"done":'.length;
  const alteredEntry = log.subarray(0, flippedByte).toString('latin1').split('\n').length;
  log[flippedByte]! ^= 1;
  await writeFile(copy, log);
  const altered = await verifyAuditLog(copy);
  const named = altered.ok ? undefined : { seq: altered.seq, line: altered.line, reason: altered.reason };
  return { entries: whole.entries, flippedByte, alteredEntry, named };
}
