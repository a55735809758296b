/** Files that a command writes: whole or not at all, and nothing left behind that holds a secret. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFile,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openOutput } from '../../src/cli/files.ts';
import { fileFolder } from './support.ts';

const folder = fileFolder();
const SOMEBODY_ELSE = 65534;
const secret = new TextEncoder().encode('a secret');

const fresh = (name: string): { file: string; files: () => string[] } => {
  const inside = join(folder, name);
  mkdirSync(inside);
  return { file: join(inside, 'out'), files: () => readdirSync(inside).sort() };
};

describe('an output', () => {
  test('that cannot get its name leaves nothing, and its first error is the one told', async () => {
    const { file, files } = fresh('refused');
    const output = await openOutput(file, { secret: true, replace: true });
    await output.write(secret);
    // As a file of somebody else's in /tmp would, a folder stands in its way.
    mkdirSync(file);
    await expect(output.commit()).rejects.toMatchObject({ syscall: 'rename' });
    await output.discard();
    rmdirSync(file);
    expect(files()).toEqual([]);
  });

  test('is not taken back once it has its name', async () => {
    const { file, files } = fresh('committed');
    const output = await openOutput(file, { secret: true, replace: true });
    await output.write(secret);
    await output.commit();
    await output.discard();
    expect(files()).toEqual(['out']);
    expect(readFileSync(file)).toEqual(Buffer.from(secret));
  });

  test('that may replace nothing does not replace what came meanwhile', async () => {
    const { file, files } = fresh('raced');
    const output = await openOutput(file, { replace: false });
    await output.write(secret);
    writeFileSync(file, 'the envelope of another run');
    await expect(output.commit()).rejects.toMatchObject({ message: expect.stringContaining('exists already') });
    await output.discard();
    expect(readFileSync(file, 'utf8')).toBe('the envelope of another run');
    expect(files()).toEqual(['out']);
  });

  test('that is a pipe gets a secret where nobody else may read from it', async () => {
    const { file } = fresh('pipe');
    for (const [mode, owner] of [
      [0o644, process.geteuid!()],
      [0o600, SOMEBODY_ELSE],
    ] as const) {
      // Only root can give things away.
      if (owner === SOMEBODY_ELSE && process.geteuid!() !== 0) continue;
      execFileSync('mkfifo', [file]);
      chmodSync(file, mode);
      chownSync(file, owner, -1);
      await expect(openOutput(file, { secret: true, replace: true })).rejects.toMatchObject({ exit: 'usage' });
      rmSync(file);
    }
    execFileSync('mkfifo', ['-m', '600', file]);
    const read = promisify(readFile)(file);
    const output = await openOutput(file, { secret: true, replace: true });
    await output.write(secret);
    await output.commit();
    expect(await read).toEqual(Buffer.from(secret));
    // What is no secret goes wherever the caller says.
    chmodSync(file, 0o644);
    const open = promisify(readFile)(file);
    const result = await openOutput(file, { replace: true });
    await result.commit();
    expect(await open).toHaveLength(0);
    for (const path of ['/dev/null', '/dev/zero']) {
      const opened = openOutput(path, { secret: true, replace: true });
      if (path === '/dev/null') await (await opened).commit();
      else await expect(opened).rejects.toMatchObject({ exit: 'usage' });
    }
  });

  test('is not led elsewhere by a link that somebody else made', async () => {
    const { file, files } = fresh('led');
    symlinkSync(`${file}.target`, file);
    if (process.geteuid!() === 0) {
      lchownSync(file, SOMEBODY_ELSE, -1);
      await expect(openOutput(file, { secret: true, replace: true })).rejects.toMatchObject({ exit: 'usage' });
      lchownSync(file, 0, -1);
    }
    const output = await openOutput(file, { secret: true, replace: true });
    await output.discard();
    expect(files()).toEqual(['out']);
  });

  test('that may replace nothing comes to be where nothing is', async () => {
    const { file, files } = fresh('new');
    const output = await openOutput(file, { secret: true, replace: false });
    await output.write(secret);
    await output.commit();
    expect(readFileSync(file)).toEqual(Buffer.from(secret));
    expect(files()).toEqual(['out']);
  });
});
