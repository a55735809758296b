/** Is the log whole, and does the check name a single altered byte? On a copy: the log itself stays as it is. */
import { copyFile, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyAuditLog } from 'keycell';

export interface LogCheck {
  /** Of the copy, before it was altered. */
  readonly entries: number;
  readonly flippedByte: number;
  /** The entry and line that the check names, and what it says of them; undefined if it noticed nothing. */
  readonly named: { readonly seq: number; readonly line: number; readonly reason: string } | undefined;
}

export async function checkLog(hsmFolder: string, copy: string): Promise<LogCheck> {
  const name = (await readdir(hsmFolder)).find((file) => file.endsWith('.log'));
  if (name === undefined) throw new Error(`no log in ${hsmFolder}`);
  await copyFile(join(hsmFolder, name), copy);

  const whole = await verifyAuditLog(copy);
  if (!whole.ok) throw new Error(`the log is damaged at line ${whole.line}: ${whole.reason}`);
  const flippedByte = Math.floor((await stat(copy)).size / 2);
  await flipByte(copy, flippedByte);
  const altered = await verifyAuditLog(copy);
  const named = altered.ok ? undefined : { seq: altered.seq, line: altered.line, reason: altered.reason };
  return { entries: whole.entries, flippedByte, named };
}

async function flipByte(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, position);
    byte[0]! ^= 1;
    await file.write(byte, 0, 1, position);
  } finally {
    await file.close();
  }
}
