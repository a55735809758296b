/** Labels and names are what people see: nothing in them is cut in half, hidden, or moves what stands around it. */
import { expect, test } from 'vitest';
import { openHsm } from '../../dist/index.js';
import { code, refusal, stored } from '../operations/support.ts';
import { keyLabelled, userNamed } from '../support/unseen.ts';

const it = stored();
const AES = { type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'] } as const;

const UNSEEN: Record<string, string> = {
  'cut inside an emoji': 'Film 🔑 title'.slice(0, 6),
  'the other half': 'Film 🔑 title'.slice(6),
  'halves in the wrong order': '\udd11\ud83d',
  'a line feed': 'title\nforged row',
  'a carriage return': 'title\rforged',
  NUL: 'a\0b',
  tab: 'a\tb',
  ESC: '\u001b[2Jcleared',
  DEL: 'a\u007f',
  'a control of C1': 'a\u009b2J',
  'the line separator': 'a\u2028b',
  'the paragraph separator': 'a\u2029b',
  'a right-to-left override': 'a\u202egpj.exe',
  'an embedding': '\u202ba',
  'an isolate': '\u2066a\u2069',
  'a left-to-right mark': 'a\u200e',
  'an Arabic letter mark': 'a\u061c',
  'a zero width space': 'title\u200b',
  'a byte order mark': '\ufefftitle',
  'a soft hyphen': 'ti\u00adtle',
  'a Hangul filler': '\u3164',
  'a tag': 'a\u{e0041}',
  'a noncharacter': 'a\uffff',
  'an annotation': 'a\ufff9b',
};
const SEEN = [
  ...['title', 'Film 🔑 title', 'Ünïcödé', '映画', 'فیلم', 'סרט', 'a b', 'x'.repeat(128), '–„“…', '\\u{41}'],
  // Persian with a non-joiner, a family of four, a heart as an emoji, a newer emoji than some engines know.
  ...['می\u200cخواهم', '👨\u200d👩\u200d👧\u200d👦', '❤\ufe0f', '\u{1fadf}', '辻\u{e0100}'],
];

test('what is not seen as it is makes no label and no name', async () => {
  const { alice, admin } = it;
  const key = await alice.generateKey({ ...AES, label: 'renamed' });
  for (const [what, text] of Object.entries(UNSEEN)) {
    for (const [name, call] of Object.entries({
      generateKey: () => alice.generateKey({ ...AES, label: text }),
      'of a session key': () => alice.generateKey({ ...AES, label: text, persistent: false }),
      ensureKey: () => alice.ensureKey({ ...AES, label: text }),
      importKey: () => alice.importKey({ ...AES, label: text }, new Uint8Array(32)),
      setAttributes: () => alice.setAttributes(key, { label: text }),
      createUser: () => admin.createUser({ name: text, role: 'crypto-user', password: 'x' }),
    })) {
      const error = await refusal(call);
      expect([what, name, error.code]).toEqual([what, name, 'KEYCELL_INPUT_INVALID']);
      expect(error.message).toMatch(
        /(label|name) has (half a character|a control or invisible character) at \d+ \(U\+/,
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none shall be in it
      expect(error.message).not.toMatch(/[\0-\x1f\u007f-\u009f\u202a-\u202e]/);
    }
  }
  expect((await refusal(() => alice.generateKey({ ...AES, label: UNSEEN['cut inside an emoji']! }))).message).toContain(
    'half a character at 5 (U+D83D), as where a text is cut inside an emoji: cut between characters',
  );
  const left = [];
  for await (const { label } of alice.findKeys()) left.push(label);
  expect(left).toEqual(['renamed']);
});

test('what is seen does, in any script, and is found again after a restart', async () => {
  const { alice, admin, hsm } = it;
  const ids = new Map<string, string>();
  for (const label of SEEN) ids.set(label, (await alice.ensureKey({ ...AES, label })).id);
  for (const label of SEEN) expect((await alice.ensureKey({ ...AES, label })).id).toBe(ids.get(label));
  for (const name of SEEN.filter((each) => each.length <= 64)) {
    await admin.createUser({ name, role: 'crypto-user', password: name });
    await (await hsm.login({ user: name, password: name })).close();
  }
  await hsm.seal();
  await hsm.unseal('p');
  it.alice = await hsm.login({ user: 'alice', password: 'alice' });
  it.admin = await hsm.login({ user: 'officer', password: 'a' });
  for (const label of SEEN) expect((await it.alice.getKey({ label })).id).toBe(ids.get(label));
});

test('too long, empty or no text at all says the limit', async () => {
  for (const label of ['', 'x'.repeat(129), 5, null, {}, ['a']]) {
    const error = await refusal(() => it.alice.generateKey({ ...AES, label: label as never }));
    expect([error.code, error.message]).toEqual([
      'KEYCELL_INPUT_INVALID',
      expect.stringContaining('label is a string of 1 to 128 characters'),
    ]);
  }
});

test('records that have such a label or name from before load, are found, renamed and removed', async () => {
  const labels = ['title\nforged row', 'a\u202egpj.exe', '\u001b[2Jcleared'];
  const ids: string[] = [];
  for (const label of labels) ids.push(await keyLabelled(it.hsm, it.alice, label));
  await userNamed(it.hsm, it.admin, 'mallory\nofficer', 'm');
  await it.hsm.close();
  it.hsm = await openHsm({ path: it.folder, workers: 1, unseal: () => new TextEncoder().encode('p') });
  await it.hsm.check();
  it.alice = await it.hsm.login({ user: 'alice', password: 'alice' });
  it.admin = await it.hsm.login({ user: 'officer', password: 'a' });
  for (const [i, label] of labels.entries()) {
    const key = await it.alice.getKey({ label });
    expect([key.id, key.label]).toEqual([ids[i], label]);
    expect((await it.alice.ensureKey({ ...AES, label })).id).toBe(ids[i]);
    expect((await it.alice.setAttributes(key, { label: `seen ${i}` })).label).toBe(`seen ${i}`);
  }
  const mallory = await it.hsm.login({ user: 'mallory\nofficer', password: 'm' });
  await mallory.close();
  await it.admin.lockUser('mallory\nofficer');
  await it.admin.removeUser('mallory\nofficer');
  expect(await code(() => it.hsm.login({ user: 'mallory\nofficer', password: 'm' }))).toBe('KEYCELL_LOGIN_FAILED');
});

test('a name that goes into a key derivation is whole, too', async () => {
  const base = await it.alice.generateKey({ type: 'EC', curve: 'P-256', usage: ['derive'], persistent: false });
  const kdf = { name: 'concat', hash: 'SHA-256', algorithm: 'A128GC\ud83d' } as const;
  const deriving = () =>
    it.alice.deriveKey(base, { mechanism: 'ECDH', publicKey: base.publicKey, kdf }, { type: 'AES', bits: 128 });
  expect(await code(deriving)).toBe('KEYCELL_INPUT_INVALID');
});
