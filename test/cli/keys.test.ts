/** Keys through the command line, checked by openssl and by what the HSM refuses. */
import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { startNode } from '../support/child.ts';
import { claimsFor, digestOf, jws } from '../support/proof.ts';
import { needs } from '../support/tools.ts';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());
beforeAll(() => shell.initialize());

const ID = expect.stringMatching(/^[0-9a-f]{32}$/);

const generate = (label: string, ...args: string[]) =>
  shell.ok(['key', 'generate', '--label', label, '--json', ...args]).then((result) => result.json());

test('a label of 32 hex digits, as the key id of a title, is found where it is no id', async () => {
  const title = randomBytes(16).toString('hex');
  const { id } = await generate(title, '--curve', 'P-256');
  expect((await shell.ok(['key', 'show', title, '--json'])).json()).toMatchObject({ id, label: title });
  // Whoever labels a key with another's id does not take its place.
  const other = await generate(id, '--curve', 'P-256');
  expect((await shell.ok(['key', 'show', id, '--json'])).json()).toMatchObject({ id });
  expect((await shell.ok(['key', 'show', `label:${id}`, '--json'])).json()).toMatchObject({ id: other.id });
  const missing = await shell.run(['key', 'show', `id:${title}`, '--json']);
  expect(missing.error().code).toBe('KEYCELL_KEY_NOT_FOUND');
  for (const made of [id, other.id]) await shell.ok(['key', 'destroy', made, '--yes', '--quiet']);
});

test('text of a key is not taken for the key, unless it is said', async () => {
  const key = randomBytes(32);
  const importing = ['key', 'import', '--json', '--type'];
  for (const [text, form, bits] of [
    [key.toString('hex', 0, 16), 'hex', 128],
    [`${key.toString('hex').toUpperCase()}\n`, 'hex', 256],
    [key.toString('base64', 0, 24), 'base64', 192],
    [`${key.toString('base64')}\n`, 'base64', 256],
  ] as const) {
    for (const type of form === 'hex' && bits === 128 ? ['AES', 'HMAC'] : ['AES']) {
      const refused = await shell.run([...importing, type], { input: text });
      expect(refused.error()).toMatchObject({ exit: 2, advice: expect.stringContaining(`--decode ${form}`) });
    }
    const made = (await shell.ok([...importing, 'AES', '--decode', form], { input: text })).json();
    const raw = (await shell.ok([...importing, 'AES'], { input: key.subarray(0, bits / 8) })).json();
    expect(made).toMatchObject({ bits, checkValue: raw.checkValue });
    for (const { id } of [made, raw]) await shell.ok(['key', 'destroy', id, '--yes', '--quiet']);
  }
  const { id, bits } = (
    await shell.ok([...importing, 'AES', '--decode', 'raw'], { input: key.toString('hex', 0, 16) })
  ).json();
  expect(bits).toBe(256);
  await shell.ok(['key', 'destroy', id, '--yes', '--quiet']);
  expect(await shell.run([...importing, 'AES', '--decode', 'hex'], { input: 'no hex' })).toMatchObject({ code: 2 });
  const digest = createHash('sha256').update('message').digest('hex');
  const prehashed = await shell.run(['sign', '--key', 'none', '--prehashed'], { input: digest });
  expect(prehashed).toMatchObject({ code: 2, stderr: expect.stringContaining('-binary') });
});

test('a key is made once for its label, and shown without its secret', async () => {
  const made = await shell.ok(['key', 'generate', '--label', 'signer', '--curve', 'P-256']);
  const id = made.stdout.trim();
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(made.stderr).toContain('EC P-256');
  expect(await shell.run(['key', 'generate', '--label', 'signer', '--curve', 'P-256'])).toMatchObject({ code: 6 });
  const ensured = await shell.ok(['key', 'generate', '--label', 'signer', '--curve', 'P-256', '--ensure', '--quiet']);
  expect(ensured).toMatchObject({ stdout: `${id}\n`, stderr: '' });

  const shown = (await shell.ok(['key', 'show', id, '--json'])).json();
  expect(shown).toMatchObject({
    id,
    label: 'signer',
    type: 'EC',
    curve: 'P-256',
    usage: ['sign', 'verify'],
    extractable: false,
  });
  expect(Object.keys(shown.jwk).sort()).toEqual(['crv', 'kid', 'kty', 'x', 'y']);

  // The same public key in each form.
  const publicKey = (await shell.ok(['key', 'public', 'signer'])).stdout;
  const der = (await shell.ok(['key', 'public', 'signer', '--format', 'der'])).out;
  expect(createPublicKey(publicKey).export({ format: 'der', type: 'spki' })).toEqual(der);
  const set = (await shell.ok(['key', 'jwk', 'signer', '--set'])).json();
  expect(createPublicKey({ key: set.keys[0], format: 'jwk' }).export({ format: 'der', type: 'spki' })).toEqual(der);

  expect(await shell.run(['key', 'generate', '--type', 'AES', '--curve', 'P-256'])).toMatchObject({ code: 2 });
});

test('a key that openssl made comes in, signs, and leaves as it came if it may', needs('openssl'), async () => {
  const made = await shell.bash(`
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out own.pem
    keycell key import own.pem --curve P-256 --label own --extractable plaintext --quiet
    keycell key export own --format pem --out back.pem
    openssl pkey -in own.pem -outform DER | sha256sum
    openssl pkey -in back.pem -outform DER | sha256sum
    openssl pkey -in own.pem -pubout -out own.pub
    keycell key import own.pub --public --curve P-256 --label own-public --quiet
    printf message | keycell sign --key own --format der --out own.sig
    printf message | keycell verify --key own-public --format der --signature own.sig
    printf message | openssl dgst -sha256 -verify own.pub -signature own.sig
  `);
  expect(made, made.stderr).toMatchObject({ code: 0 });
  const lines = made.stdout.trim().split('\n');
  expect(lines).toEqual([ID, lines[1], lines[1], ID, 'valid', 'Verified OK']);
});

test(
  'so do one with its parameters before it, and the key of a certificate; an encrypted one does not',
  needs('openssl'),
  async () => {
    const made = await shell.bash(`
    openssl ecparam -name secp384r1 -genkey -out plain.pem
    keycell key import plain.pem --curve P-384 --label plain --quiet
    openssl req -x509 -new -key plain.pem -subj /CN=films -days 1 -out films.crt
    keycell key import films.crt --public --curve P-384 --label films --quiet
    printf message | keycell sign --key plain --out plain.sig
    printf message | keycell verify --key films --signature plain.sig
    openssl pkcs8 -topk8 -in plain.pem -passout pass:secret -out locked.pem
  `);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    expect(made.stdout.trim().split('\n')).toEqual([ID, ID, 'valid']);
    const refused = await shell.run(['key', 'import', 'locked.pem', '--curve', 'P-384', '--label', 'locked', '--json']);
    expect(refused.error().message).toMatch(/encrypted under a passphrase: openssl pkey/);
  },
);

test('a raw key comes in by its length and leaves readable by its owner alone', async () => {
  const key = randomBytes(24);
  const imported = await shell.ok(
    ['key', 'import', '--type', 'AES', '--label', 'raw', '--extractable', 'plaintext', '--json'],
    {
      input: key,
    },
  );
  expect(imported.json()).toMatchObject({ type: 'AES', bits: 192, local: false });
  await shell.ok(['key', 'export', 'raw', '--out', 'raw.key']);
  expect(readFileSync(shell.path('raw.key'))).toEqual(key);
  expect(statSync(shell.path('raw.key')).mode & 0o777).toBe(0o600);
  // Not over what is there, not into JSON, not from a key that must stay.
  expect(await shell.run(['key', 'export', 'raw', '--out', 'raw.key'])).toMatchObject({ code: 6 });
  expect(await shell.run(['key', 'export', 'raw', '--json'])).toMatchObject({ code: 2, stdout: '' });
  await generate('stays', '--type', 'AES');
  const refused = await shell.run(['key', 'export', 'stays', '--json', '--out', 'stays.key']);
  expect(refused.code).toBe(3);
  expect(refused.error()).toMatchObject({ code: 'KEYCELL_PERMISSION_DENIED' });
});

test('keys are listed, changed and destroyed', async () => {
  const { id } = await generate('old name', '--type', 'HMAC', '--extractable', 'wrapped');
  const changed = await shell.ok(['key', 'set', id, '--label', 'new-name', '--extractable', 'no', '--json']);
  expect(changed.json()).toMatchObject({ id, label: 'new-name', extractable: false });
  expect((await shell.ok(['key', 'list', '--type', 'HMAC', '--json'])).json().keys).toMatchObject([{ id, bits: 256 }]);
  expect((await shell.ok(['key', 'list'])).stdout).toMatch(/^ID +LABEL +KEY[\s\S]*new-name +HMAC-256 +sign,verify +no/);

  expect(await shell.run(['key', 'destroy', 'new-name'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--yes'),
  });
  expect((await shell.ok(['key', 'destroy', 'new-name', '--yes', '--json'])).json()).toEqual({ destroyed: id });
  expect(await shell.run(['key', 'show', id])).toMatchObject({ code: 4 });
});

test('wrapped keys leave, come back, and go from one wrapping key to another', async () => {
  const template = JSON.stringify({ type: 'AES', bits: 128, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' });
  await generate('kek', '--usage', 'wrap,unwrap', '--rewrap-policy', 'any', '--unwrap-template', template);
  const next = await generate('next-kek', '--usage', 'wrap,unwrap');
  expect(next).toMatchObject({ usage: ['wrap', 'unwrap'], rewrapPolicy: 'trusted' });
  const content = await generate('content', '--bits', '128', '--extractable', 'wrapped');

  await shell.ok(['wrap', '--key', 'kek', 'content', '--out', 'content.kw']);
  const unwrap = ['unwrap', '--key', 'kek', '--bits', '128', '--label', 'content-2', '--json', 'content.kw'];
  const back = (await shell.ok([...unwrap, '--extractable', 'wrapped'])).json();
  expect(back).toMatchObject({ label: 'content-2', checkValue: content.checkValue, local: false });
  expect(await shell.run([...unwrap, '--label', 'loot', '--extractable', 'plaintext'])).toMatchObject({ code: 3 });

  const blob = readFileSync(shell.path('content.kw'));
  const lines = `${blob.toString('base64')}\n${blob.toString('base64')}\n`;
  const rewrapped = await shell.ok(['rewrap', '--key', 'kek', '--to', 'next-kek', '--lines'], { input: lines });
  const [first, second] = rewrapped.stdout.trim().split('\n');
  expect(second).toBe(first);
  expect(first).not.toBe(blob.toString('base64'));
  const opened = await shell.ok(
    ['unwrap', '--key', 'next-kek', '--bits', '128', '--usage', '', '--extractable', 'wrapped', '--json'],
    {
      input: Buffer.from(first!, 'base64'),
    },
  );
  expect(opened.json()).toMatchObject({ checkValue: content.checkValue });

  const hex = await shell.ok(['rewrap', '--key', 'kek', '--to', 'next-kek', '--encode', 'hex', 'content.kw']);
  expect(hex.stdout).toBe(`${Buffer.from(first!, 'base64').toString('hex')}\n`);
  const twice = ['rewrap', '--key', 'kek', '--to', 'next-kek', '--lines', '--encode', 'hex'];
  expect(await shell.run(twice, { input: lines })).toMatchObject({ code: 2, stdout: '' });

  // To a device with a key of its own.
  await shell.bash('openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout > device.pem');
  const jwe = await shell.ok(['rewrap', '--key', 'kek', '--to-public', 'device.pem', 'content.kw']);
  expect(jwe.stdout.split('.')).toHaveLength(5);
  expect(await shell.run(['rewrap', '--key', 'kek', 'content.kw'])).toMatchObject({ code: 2 });
});

test('every input is read before the folder is taken, and stdin is one of them', async () => {
  shell.write('some.kw', randomBytes(24));
  shell.write('some.jwk', JSON.stringify({ kty: 'EC' }));
  const holder = startNode('hsm/support/hold.mjs', shell.path('hsm'));
  await holder.said('open');
  const rewrap = ['rewrap', '--key', 'kek', '--wait', '0', 'some.kw', '--json'];
  const broken = await shell.run([...rewrap, '--to-public', '-'], { input: '{ "kty": ' });
  expect([broken.code, broken.error().code]).toEqual([2, 'USAGE']);
  const missing = await shell.run([...rewrap, '--to-public', 'some.jwk', '--proof', 'nowhere.jws']);
  expect([missing.code, missing.error().code]).toEqual([4, 'ENOENT']);
  const busy = await shell.run([...rewrap, '--to-public', 'some.jwk', '--proof', '-'], { input: 'a.b.c' });
  expect([busy.code, busy.error().code]).toEqual([5, 'KEYCELL_STORE_LOCKED']);
  for (const args of [
    ['rewrap', '--key', 'kek', '--to-public', '-'],
    ['rewrap', '--key', 'kek', 'some.kw', '--to-public', '-', '--proof', '-'],
    ['verify', '--key', 'kek', '--signature', '-'],
  ]) {
    expect(await shell.run(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('stdin') });
  }
});

test('a wrapping key asks for a proof that names this HSM, the device and the blobs', async () => {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [shop, device] = [pair(), pair()];
  shell.write('shop.pem', shop.publicKey.export({ format: 'pem', type: 'spki' }));
  const { kty, crv, x, y } = device.publicKey.export({ format: 'jwk' });
  shell.write('device.jwk', JSON.stringify({ kty, crv, x, y }));
  await shell.ok(['key', 'import', 'shop.pem', '--public', '--curve', 'P-256', '--label', 'shop']);
  const template = JSON.stringify({ type: 'AES', bits: 128, usage: [] });
  const policy = ['--rewrap-policy', 'issuer:shop', '--proof-blobs', 'required', '--proof-max-age', '600'];
  const made = await generate('store', '--usage', 'wrap,unwrap', '--unwrap-template', template, ...policy);
  expect(made).toMatchObject({ rewrapPolicy: 'issuer', issuer: { proofMaxAge: 600, blobs: 'required' } });
  expect(await shell.run(['key', 'generate', '--label', 'x', '--proof-blobs', 'required'])).toMatchObject({ code: 2 });
  await generate('film', '--bits', '128', '--usage', '', '--extractable', 'wrapped');
  await shell.ok(['wrap', '--key', 'store', 'film', '--out', 'film.kw']);

  const { id } = (await shell.ok(['status', '--json'])).json();
  const jkt = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  const rewrap = (claims: object) => {
    shell.write('proof.jws', `${jws(claims, shop.privateKey)}\n`);
    return shell.run(['rewrap', '--key', 'store', '--to-public', 'device.jwk', '--proof', 'proof.jws', 'film.kw']);
  };
  const claims = { ...claimsFor(id, jkt), blobs: [digestOf(readFileSync(shell.path('film.kw')))] };
  expect((await rewrap(claims)).stdout.split('.')).toHaveLength(5);
  for (const [more, reason] of [
    [{ blobs: undefined }, 'names the blobs'],
    [{ blobs: [digestOf(Buffer.from('another'))] }, 'does not name one of the blobs'],
    [{ aud: 'keycell:another' }, 'not this HSM'],
    [{ exp: claims.exp + 600 }, 'proofMaxAge'],
  ] as const) {
    const refused = await rewrap({ ...claims, ...more });
    expect(refused).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(reason) });
  }
});

/** What `key show` prints for people. */
const shown = async (name: string): Promise<string> => (await shell.ok(['key', 'show', name])).stdout;

test('templates are shown to people a member a line, and to programs as they are', async () => {
  const vault = { usage: ['wrap', 'unwrap'], bits: 256, extractable: false, unwrapTemplate: { usage: [], bits: 128 } };
  const usage = ['--usage', 'wrap,unwrap'];
  const made = await generate('vault', ...usage, '--unwrap-template', JSON.stringify(vault));
  const content = {
    ...{ type: 'AES', bits: 128, usage: [], callerIv: false, extractable: 'wrapped', wrapWithTrusted: false },
    rewrapPolicy: 'trusted',
  };
  const vaults = { ...content, bits: 256, usage: ['wrap', 'unwrap'], extractable: false, unwrapTemplate: content };
  expect(made).toMatchObject({ origin: 'generated', rewrapPolicy: 'trusted', issuer: null });
  expect(made.unwrapTemplate).toEqual(vaults);
  expect((await shell.ok(['key', 'show', 'vault', '--json'])).json()).toEqual(made);

  const text = await shown('vault');
  expect(text).not.toMatch(/[{}[\]"]|undefined|object/);
  const block = text.slice(text.indexOf('unwrapTemplate'));
  expect(block.split('\n').slice(0, 12)).toEqual([
    'unwrapTemplate',
    '    type             AES',
    '    bits             256',
    '    usage            wrap, unwrap',
    '    callerIv         false',
    '    extractable      false',
    '    wrapWithTrusted  false',
    '    rewrapPolicy     trusted',
    '    unwrapTemplate',
    '        type             AES',
    '        bits             128',
    '        usage            -',
  ]);
  // An officer, who is to vouch for it, sees the same.
  const officers = await shell.officer(['key', 'show', 'vault']);
  expect(officers.stdout).toBe(text);

  // A key without one that wraps has the default, a key that does not wrap has none.
  await generate('plain-kek', ...usage);
  expect(await shown('plain-kek')).toMatch(/unwrapTemplate\n {4}type +AES\n {4}usage +encrypt, decrypt\n/);
  await generate('cipher');
  expect(await shown('cipher')).toMatch(/^unwrapTemplate +-$/m);
});

test("a template is JSON, or 'any' where the key says --dual-use", async () => {
  const any = ['key', 'generate', '--usage', 'wrap,unwrap', '--unwrap-template', 'any', '--json'];
  const refused = await shell.run(any);
  expect(refused.code).toBe(3);
  expect(refused.error().message).toContain("a template is 'any' only where the key has dualUse: true");
  expect((await shell.ok([...any, '--dual-use'])).json()).toMatchObject({ unwrapTemplate: 'any' });
  for (const text of ['all', '7', '{', 'null']) {
    expect(await shell.run(['key', 'generate', '--usage', 'unwrap', '--unwrap-template', text])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It is a JSON object, or "any".'),
    });
  }
  const misspelt = await shell.run(['key', 'generate', '--usage', 'unwrap', '--unwrap-template', '{"usages":[]}']);
  expect(misspelt).toMatchObject({ code: 2, stderr: expect.stringContaining('usages is no member') });
});

test('what the options leave out comes from the template of the key above', async () => {
  const template = JSON.stringify({ bits: 192, usage: ['decrypt'], extractable: 'wrapped' });
  await generate('strict', '--usage', 'wrap,unwrap', '--unwrap-template', template);
  await generate('made', '--bits', '192', '--usage', 'decrypt', '--extractable', 'wrapped');
  await shell.ok(['wrap', '--key', 'strict', 'made', '--out', 'made.kw']);
  const unwrap = async (...args: string[]) =>
    (await shell.ok(['unwrap', '--key', 'strict', 'made.kw', '--json', ...args])).json();
  expect(await unwrap()).toMatchObject({ bits: 192, usage: ['decrypt'], extractable: 'wrapped', origin: 'unwrapped' });
  expect(await unwrap('--usage', '', '--extractable', 'no')).toMatchObject({ usage: [], extractable: false });
  const refused = await shell.run(['unwrap', '--key', 'strict', 'made.kw', '--usage', 'encrypt,decrypt', '--json']);
  expect(refused.error().message).toContain("the wrapping key's unwrapTemplate does not allow such a key");
  // Another type is the template's to refuse, not a mistake in what was filled in.
  const other = await shell.run(['unwrap', '--key', 'strict', 'made.kw', '--type', 'HMAC', '--bits', '192']);
  expect(other).toMatchObject({ code: 3, stderr: expect.stringContaining('unwrapTemplate does not allow') });
  // What the template leaves open, the options' own defaults say.
  await generate('open', '--usage', 'wrap,unwrap');
  await generate('large', '--extractable', 'wrapped');
  await shell.ok(['wrap', '--key', 'open', 'large', '--out', 'large.kw']);
  const large = (await shell.ok(['unwrap', '--key', 'open', 'large.kw', '--json'])).json();
  expect(large).toMatchObject({ bits: 256, usage: ['encrypt', 'decrypt'], extractable: 'wrapped' });
});

test('keys are derived within the template of their base, or bound to what they are for', async () => {
  const template = JSON.stringify({ bits: 128, usage: ['decrypt'] });
  await generate('inbox', '--curve', 'P-256', '--usage', 'derive', '--derive-template', template);
  await shell.bash('openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout > peer.pem');
  const derive = (key: string, ...args: string[]) => shell.run(['key', 'derive', '--key', key, '--json', ...args]);
  const letter = ['--peer', 'peer.pem', '--info', 'letter'];
  expect((await derive('inbox', ...letter)).json()).toMatchObject({
    ...{ type: 'AES', bits: 128, usage: ['decrypt'], extractable: false, origin: 'derived' },
  });
  const wider = await derive('inbox', ...letter, '--usage', 'encrypt,decrypt');
  expect(wider).toMatchObject({ code: 3, stderr: expect.stringContaining("the base's deriveTemplate") });

  // An EC key without a template: for an algorithm that says what its key is, and for nothing else.
  await generate('agree', '--curve', 'P-256', '--usage', 'derive');
  const agreed = await derive('agree', '--peer', 'peer.pem', '--kdf', 'concat', '--info', 'A192KW');
  expect(agreed.json()).toMatchObject({ type: 'AES', bits: 192, usage: ['wrap', 'unwrap'], extractable: false });
  const composite = await derive('agree', '--peer', 'peer.pem', '--kdf', 'concat', '--info', 'A256CBC-HS512');
  expect(composite.json()).toMatchObject({ type: 'AES-CBC-HMAC', bits: 512, usage: ['encrypt', 'decrypt'] });
  for (const how of [letter, ['--peer', 'peer.pem', '--kdf', 'concat', '--info', 'A192']]) {
    const unknown = await derive('agree', ...how);
    expect(unknown).toMatchObject({ code: 3, stderr: expect.stringContaining('name what may be derived') });
  }

  // A secret without one: other keys come of it where they are for something else.
  await generate('base', '--type', 'GENERIC', '--usage', 'derive');
  const bound = ['--kdf', 'bound', '--info', 'rows', '--context', '1'];
  const [one, same, other] = await Promise.all(
    ['encrypt', 'decrypt', 'sign'].map((usage) => derive('base', ...bound, '--usage', usage)),
  );
  expect(one!.json()).toMatchObject({ bits: 256, usage: ['encrypt'] });
  expect(same!.json().checkValue).toBe(one!.json().checkValue);
  expect(other!.json().checkValue).not.toBe(one!.json().checkValue);
  const standard = await derive('base', '--info', 'rows');
  expect(standard).toMatchObject({ code: 3, stderr: expect.stringContaining("kdf: { name: 'bound'") });
});

test('a composite key for JOSE: imported by its length, shown without what it does not have', async () => {
  const options = ['--type', 'AES-CBC-HMAC', '--label', 'dir'];
  await shell.ok(['key', 'import', ...options], { input: randomBytes(48) });
  const shown = JSON.parse((await shell.ok(['key', 'show', 'dir', '--json'])).stdout);
  expect(shown).toMatchObject({ type: 'AES-CBC-HMAC', bits: 384, usage: ['encrypt', 'decrypt'], class: 'secret' });
  expect(Object.keys(shown)).not.toEqual(expect.arrayContaining(['checkValue']));
  expect(Object.keys(shown)).not.toEqual(expect.arrayContaining(['deriveTemplate']));
  const file = await shell.run(['encrypt', '--key', 'dir'], { input: 'text' });
  expect(file.code).not.toBe(0);
  const odd = await shell.run(['key', 'import', ...options.with(3, 'odd')], { input: randomBytes(40) });
  expect(odd.code).not.toBe(0);
});

test('an officer vouches for an imported key only where they say so', async () => {
  const usage = ['--usage', 'wrap,unwrap'];
  await shell.ok(['key', 'import', '--type', 'AES', '--label', 'partner', ...usage], { input: randomBytes(32) });
  const refused = await shell.officer(['key', 'set', 'partner', '--trusted', '--json']);
  expect(refused.code).toBe(3);
  expect(refused.error().message).toContain('acceptImported: true');
  const marked = await shell.officer(['key', 'set', 'partner', '--trusted', '--accept-imported', '--json']);
  expect(marked.json()).toMatchObject({ trusted: true, origin: 'imported', unwrapTemplate: { type: 'AES' } });

  // The log keeps what they vouched for.
  const marks = readFileSync(shell.path('hsm/audit.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('acceptImported'));
  expect(marks).toHaveLength(1);
  expect(marks[0]).toContain('"unwrapTemplate":{"type":"AES"');
});
