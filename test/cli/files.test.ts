/** Files that a command writes: whole or not at all, and nothing left behind that holds a secret. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openOutput } from '../../src/cli/files.ts';
import { fileFolder } from './support.ts';

const folder = fileFolder();
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

  test('that may replace nothing comes to be where nothing is', async () => {
    const { file, files } = fresh('new');
    const output = await openOutput(file, { secret: true, replace: false });
    await output.write(secret);
    await output.commit();
    expect(readFileSync(file)).toEqual(Buffer.from(secret));
    expect(files()).toEqual(['out']);
  });
});
