/** Completion as the shells do it: bash completes, zsh and fish parse. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { needs } from '../support/tools.ts';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());
beforeAll(async () => {
  for (const name of ['bash', 'zsh', 'fish']) {
    shell.write(`completion.${name}`, (await shell.ok(['completion', name])).stdout);
  }
});

/** What bash offers for the last of these words. */
async function offered(...words: string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const { code, stdout, stderr } = await shell.bash(`
    source completion.bash
    COMP_WORDS=(keycell ${quoted}) COMP_CWORD=${words.length}
    _keycell
    printf '%s\\n' "\${COMPREPLY[@]}"
  `);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim().split('\n');
}

test('bash completes commands, options, values and files', async () => {
  expect(await offered('s')).toEqual(['status', 'sign']);
  expect(await offered('key', '')).toEqual([
    'generate',
    'import',
    'derive',
    'export',
    'list',
    'show',
    'set',
    'destroy',
    'public',
    'jwk',
  ]);
  expect(await offered('key', 'generate', '--cu')).toEqual(['--curve']);
  expect(await offered('key', 'generate', '--curve', '')).toEqual(['P-256', 'P-384', 'secp256k1']);
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  // The value of an option is no command, and options of all commands are known everywhere.
  expect(await offered('--path', 'key', 'datakey', '')).toEqual(['new', 'open']);
  expect(await offered('sign', '--passphrase-f')).toEqual(['--passphrase-file', '--passphrase-fd']);
  expect(await offered('sign', '--key', 'k', 'completion.z')).toEqual(['completion.zsh']);
  expect(await offered('verify', '--signature', 'completion.f')).toEqual(['completion.fish']);
});

test('zsh and fish get all commands, in a form that they parse', needs('zsh', 'fish'), () => {
  for (const name of ['zsh', 'fish']) {
    const script = readFileSync(shell.path(`completion.${name}`), 'utf8');
    for (const word of ['check', 'generate', 'passphrase-file', 'secp256k1']) expect(script).toContain(word);
    const parsed = spawnSync(name, ['-n', shell.path(`completion.${name}`)], { encoding: 'utf8' });
    expect(parsed.error).toBeUndefined();
    expect({ status: parsed.status, stderr: parsed.stderr }).toEqual({ status: 0, stderr: '' });
  }
});
