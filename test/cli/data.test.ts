/** Data through the command line: files and pipes, openssl at the other end, and every refusal with its exit code. */
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { needs } from '../support/tools.ts';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());
beforeAll(async () => {
  await shell.initialize();
  await shell.ok(['key', 'generate', '--label', 'signer', '--curve', 'P-256', '--quiet']);
  await shell.ok(['key', 'generate', '--label', 'files', '--type', 'AES', '--quiet']);
});

test('a signature through a pipe, which openssl and node verify', needs('openssl'), async () => {
  const message = randomBytes(100_000);
  shell.write('message', message);
  const piped = await shell.bash(`
    keycell key public signer --out signer.pem
    cat message | keycell sign --key signer --format der > message.sig
    openssl dgst -sha256 -verify signer.pem -signature message.sig message
  `);
  expect(piped, piped.stderr).toMatchObject({ code: 0, stdout: 'Verified OK\n' });

  const answer = (await shell.ok(['sign', '--key', 'signer', '--json', 'message'])).json();
  const key = createPublicKey(readFileSync(shell.path('signer.pem')));
  const signature = Buffer.from(answer.signature, 'base64');
  expect(verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);

  message[77_777]! ^= 1;
  const altered = ['verify', '--key', 'signer', '--format', 'der', '--signature', 'message.sig', '--json'];
  const refused = await shell.run(altered, { input: message });
  expect(refused).toMatchObject({ code: 1, stderr: '' });
  expect(refused.json()).toMatchObject({ valid: false });
});

test('a file of many segments goes through a stream, and a damaged one leaves nothing behind', async () => {
  const plaintext = randomBytes(3_000_001);
  shell.write('plain', plaintext);
  await shell.ok(['encrypt', '--key', 'files', '--aad', 'backup', '--out', 'cipher', 'plain']);
  const cipher = readFileSync(shell.path('cipher'));
  expect(cipher.toString('latin1', 0, 4)).toBe('KCST');

  const decrypt = ['decrypt', '--aad', 'backup', '--out', 'back', 'cipher'];
  const decrypted = (await shell.ok([...decrypt, '--json'])).json();
  expect(decrypted).toMatchObject({ format: 'stream', bytes: plaintext.length, out: 'back' });
  expect(readFileSync(shell.path('back')).equals(plaintext)).toBe(true);

  writeFileSync(shell.path('back'), 'older');
  for (const damaged of [cipher.subarray(0, 2_000_000), flipped(cipher, 2_900_000)]) {
    shell.write('cipher', damaged);
    const refused = await shell.run([...decrypt, '--json']);
    expect(refused.code).toBe(1);
    expect(refused.error()).toMatchObject({ code: 'KEYCELL_DECRYPT_FAILED' });
  }
  expect(readFileSync(shell.path('back'), 'utf8')).toBe('older');
  expect(readdirSync(shell.folder).filter((file) => file.endsWith('.part'))).toEqual([]);
});

test('pipes of two commands over one folder, as far as one input fits', async () => {
  shell.write('small', randomBytes(500_000));
  const piped = await shell.bash(`
    cat small | keycell encrypt --key files | keycell decrypt | cmp - small
    keycell encrypt --key files --envelope --encode base64 small | base64 -d | keycell decrypt --wait 10 | cmp - small
  `);
  expect(piped, piped.stderr).toMatchObject({ code: 0, stdout: '' });
});

test('a command that is interrupted leaves no unfinished file, and one that fails does not wait for its input', async () => {
  const ended = await shell.bash(`
    mkfifo pipe
    keycell encrypt --key files --out never.kc pipe & pid=$!
    exec 9> pipe
    head -c 3000000 /dev/zero >&9
    until ls | grep -q 'never.kc.*part'; do sleep 0.05; done
    kill -TERM $pid
    wait $pid || echo $?
    exec 9>&-
    ls | grep never || echo clean
    { head -c 2000000 /dev/zero | sed s/^/KCST/; sleep 60; } | keycell decrypt --key files > /dev/null & pid=$!
    wait $pid || echo $?
    keycell status --quiet > /dev/null
  `);
  expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: '143\nclean\n1\n' });
});

test('a reader that goes away ends a command quietly, and an answer that is lost is no success', async () => {
  const ended = await shell.bash(`
    set +e
    head -c 3000000 /dev/zero | keycell encrypt --key files | head -c 4 | wc -c
    echo \${PIPESTATUS[1]}
    keycell key list | true
    echo \${PIPESTATUS[0]}
    keycell demo | true
    echo \${PIPESTATUS[0]}
  `);
  expect(ended).toMatchObject({ stdout: '4\n141\n141\n141\n', stderr: '' });
  const full = await shell.bash('keycell key list > /dev/full');
  expect(full).toMatchObject({ code: 5, stderr: expect.stringContaining('ENOSPC') });
});

test('an envelope names its key; the wrong aad, a foreign file and a secret in JSON are refused', async () => {
  const sealed = (
    await shell.ok(['encrypt', '--key', 'files', '--envelope', '--aad', 'row 7', '--json'], { input: 'hello' })
  ).json();
  expect(sealed).toMatchObject({ format: 'envelope' });
  const input = Buffer.from(sealed.ciphertext, 'base64');
  expect(await shell.ok(['decrypt', '--aad', 'row 7'], { input })).toMatchObject({ stdout: 'hello' });
  expect(await shell.run(['decrypt', '--aad-hex', '00'], { input })).toMatchObject({ code: 1, stdout: '' });
  expect(await shell.run(['decrypt', '--json'], { input })).toMatchObject({ code: 2, stdout: '' });
  expect(await shell.run(['decrypt'], { input: 'of somebody else' })).toMatchObject({ code: 2 });
  expect(await shell.run(['decrypt', 'not there'])).toMatchObject({ code: 4 });
  expect(await shell.run(['encrypt', '--key', 'files', '--iv', '00'], { input })).toMatchObject({ code: 2 });
  const folder = await shell.run(['encrypt', '--key', 'files', '--out', 'nowhere/x'], { input });
  expect(folder).toMatchObject({ code: 4 });
});

test('raw AES-GCM has its IV in front, or where the caller says', async () => {
  const [key, iv, aad] = [randomBytes(32), randomBytes(12), 'header'];
  await shell.ok(['key', 'import', '--type', 'AES', '--label', 'gcm', '--quiet'], { input: key });
  const raw = ['--key', 'gcm', '--mechanism', 'AES-GCM', '--aad', aad];
  const sealed = (await shell.ok(['encrypt', ...raw], { input: 'in the open' })).out;
  expect(sealed).toHaveLength(12 + 11 + 16);
  expect(await shell.ok(['decrypt', ...raw], { input: sealed })).toMatchObject({ stdout: 'in the open' });

  const webKey = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
  const parameters = { name: 'AES-GCM', iv, additionalData: Buffer.from(aad) };
  const foreign = new Uint8Array(await crypto.subtle.encrypt(parameters, webKey, Buffer.from('from outside')));
  const opened = await shell.ok(['decrypt', ...raw, '--iv', iv.toString('hex')], { input: foreign });
  expect(opened.stdout).toBe('from outside');
  expect(await shell.run(['decrypt', ...raw], { input: 'short' })).toMatchObject({ code: 2 });
});

test('random bytes, as many as asked for', async () => {
  await shell.ok(['random', '1000', '--out', 'noise']);
  expect(readFileSync(shell.path('noise'))).toHaveLength(1000);
  expect(await shell.run(['random', '0'])).toMatchObject({ code: 2 });
  expect(await shell.run(['random', '65537'])).toMatchObject({ code: 2 });
});

test('a check finds what was altered, in the folder and in a copy of the log', async () => {
  const sound = (await shell.ok(['check', '--json'])).json();
  expect(sound).toMatchObject({ ok: true, records: expect.any(Number), logEntries: expect.any(Number) });
  const log = readFileSync(shell.path('hsm/audit.log'));
  shell.write('copy.log', log);
  const line = log.subarray(0, 1000).toString('latin1').split('\n').length;
  shell.write('copy.log', flipped(log, 1000));
  const found = await shell.run(['check', '--log', 'copy.log', '--json']);
  expect(found).toMatchObject({ code: 1, stderr: '' });
  expect(found.json()).toMatchObject({ ok: false, code: 'KEYCELL_AUDIT_CORRUPT', line });

  writeFileSync(shell.path('hsm/audit.log'), flipped(log, 1000));
  const damaged = await shell.run(['check', '--json']);
  expect(damaged.code).toBe(1);
  expect(damaged.json()).toMatchObject({ ok: false, code: 'KEYCELL_AUDIT_CORRUPT' });
  writeFileSync(shell.path('hsm/audit.log'), log);
});

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

test('a data key that is refused, or has nowhere to go, leaves no file and no half of one', async () => {
  await shell.ok(['key', 'generate', '--label', 'opens', '--type', 'AES', '--usage', 'decrypt', '--quiet']);
  const unfinished = () => readdirSync(shell.folder).filter((file) => file.startsWith('volume'));
  const fresh = ['datakey', 'new', '--json', '--out', 'volume.kc', '--plaintext-out'];
  const denied = await shell.run([...fresh, 'volume.key', '--key', 'opens']);
  expect(denied.error().code).toBe('KEYCELL_PERMISSION_DENIED');
  expect(unfinished()).toEqual([]);
  const nowhere = await shell.run([...fresh, 'no-such-folder/volume.key', '--key', 'files']);
  expect(nowhere.error().code).toBe('ENOENT');
  expect(unfinished()).toEqual([]);
  await shell.ok([...fresh, 'volume.key', '--key', 'files']);
  expect(unfinished()).toEqual(['volume.kc', 'volume.key']);
  expect(statSync(shell.path('volume.key')).mode & 0o777).toBe(0o600);
  const again = await shell.run([...fresh, 'volume.key', '--key', 'files']);
  expect(again.error().code).toBe('EEXIST');
  expect(unfinished()).toEqual(['volume.kc', 'volume.key']);
});
