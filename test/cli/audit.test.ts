/** The log as people and programs read it: names, filters, damage, and any length. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { formatLine } from '../../src/audit/line.ts';
import { chainHash, EMPTY_HEAD } from '../../src/audit/log.ts';
import { startNode } from '../support/child.ts';
import { fileFolder, Shell } from './support.ts';

const shell = new Shell(fileFolder());
const nobody = { env: { KEYCELL_USER: undefined, CREDENTIALS_DIRECTORY: undefined } };
let releases: string;
let doomed: string;
let between: string;

interface Row {
  readonly entry: number;
  readonly operation: string;
  readonly user: { readonly id: string; readonly name: string | null } | null;
  readonly about?: { readonly name: string | null };
  readonly keys: readonly { readonly id: string; readonly label: string | null }[];
  readonly made: readonly { readonly id: string; readonly label: string | null }[];
}

const rowsOf = (stdout: string): Row[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const show = async (...args: string[]): Promise<Row[]> =>
  rowsOf((await shell.officer(['audit', 'show', '--json', ...args])).stdout);

beforeAll(async () => {
  await shell.initialize();
  const made = await shell.ok(['key', 'generate', '--label', 'releases', '--curve', 'P-256', '--quiet']);
  releases = made.stdout.trim();
  await shell.ok(['sign', '--key', 'releases', '--out', 'sig'], { input: 'a message' });
  doomed = (await shell.ok(['key', 'generate', '--label', 'doomed', '--quiet'])).stdout.trim();
  await shell.ok(['key', 'destroy', 'doomed', '--yes', '--quiet']);
  between = new Date().toISOString();
  await shell.run(['key', 'export', 'releases', '--out', 'refused']);
  await shell.officer(['user', 'lock', 'alice']);
  await shell.officer(['user', 'unlock', 'alice']);
});

test('users and keys have their names, and each filter leaves what it says', async () => {
  const all = await show();
  expect(all.slice(0, 2)).toMatchObject([
    { entry: 1, operation: 'initialize', user: { id: null, name: 'officer' } },
    { entry: 2 },
  ]);
  expect(all.find(({ operation }) => operation === 'sign')).toMatchObject({
    user: { name: 'alice' },
    keys: [{ id: releases, label: 'releases' }],
  });
  expect(all.find(({ operation }) => operation === 'user-lock')).toMatchObject({
    user: { name: 'officer' },
    about: { name: 'alice' },
  });
  // Whoever logs out is known by the session.
  expect(all.filter(({ operation, user }) => operation === 'logout' && user === null)).toEqual([]);

  const ops = (rows: readonly Row[]) => rows.map(({ operation }) => operation);
  expect(ops(await show('--key', 'releases'))).toEqual(['generateKey', 'sign', 'exportKey']);
  // A key that is gone has no label any more.
  expect(ops(await show('--key', doomed))).toEqual(['generateKey', 'destroyKey']);
  expect(ops(await show('--operation', 'SIGN,destroyKey'))).toEqual(['sign', 'destroyKey']);
  const alice = await show('--by', 'alice');
  expect(new Set(alice.map(({ user }) => user?.name))).toEqual(new Set(['officer', 'alice']));
  expect(alice.filter(({ user }) => user?.name === 'officer').map(({ about }) => about?.name)).toEqual(
    Array(3).fill('alice'),
  );
  const id = alice.find(({ operation }) => operation === 'sign')!.user!.id;
  expect(await show('--by', id, '--until', between)).toEqual(await show('--by', 'alice', '--until', between));
  const before = await show('--until', between, '--key', 'releases');
  const since = await show('--since', between, '--key', 'releases');
  expect([ops(before), ops(since)]).toEqual([['generateKey', 'sign'], ['exportKey']]);
  expect(ops(await show('--last', '2', '--key', 'releases'))).toEqual(['sign', 'exportKey']);
  expect((await shell.run(['audit', 'show', '--last', '0'])).code).toBe(2);
  expect((await shell.run(['audit', 'show', '--key', 'nothing', '--json'])).error().code).toBe('KEYCELL_KEY_NOT_FOUND');
});

test('people see a table, and that the chain holds', async () => {
  const { stdout, stderr } = await shell.ok(['audit', 'show', '--operation', 'sign,exportKey,generateKey']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^TIME \(UTC\) +USER +OPERATION +KEYS/);
  expect(lines[1]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +alice +generateKey +made releases$/);
  expect(lines[2]).toMatch(/ alice +sign +releases$/);
  expect(lines.at(-1)).toMatch(/ alice +exportKey +releases; refused 1 times: KEYCELL_PERMISSION_DENIED$/);
  expect(stderr).toMatch(/^4 shown; the chain of all \d+ entries holds\.$/m);
});

test('without a passphrase, and while a service has the folder, keys go by their ids', async () => {
  const holder = startNode('hsm/support/hold.mjs', shell.path('hsm'));
  await holder.said('open');
  const busy = await shell.run(['audit', 'show', '--json', '--wait', '0']);
  expect(busy.code).toBe(5);
  expect(busy.error()).toMatchObject({ code: 'KEYCELL_STORE_LOCKED', advice: expect.stringContaining('--no-labels') });
  for (const args of [['--no-labels'], []]) {
    const read = await shell.ok(['audit', 'show', '--operation', 'sign', '--json', ...args], nobody);
    expect(rowsOf(read.stdout)).toMatchObject([{ user: { name: 'alice' }, keys: [{ id: releases, label: null }] }]);
  }
  holder.child.kill('SIGKILL');
  await holder.ended;
});

test('a log that was altered is shown up to there, and ends with 1', async () => {
  copyFileSync(shell.path('hsm/audit.log'), shell.path('copy.log'));
  const text = readFileSync(shell.path('copy.log'), 'utf8');
  writeFileSync(shell.path('copy.log'), text.replace('"op":"sign"', '"op":"SIGN"'));
  const altered = await shell.run(['audit', 'show', '--log', 'copy.log', '--json'], nobody);
  expect(altered.code).toBe(1);
  expect(altered.error()).toMatchObject({ code: 'KEYCELL_AUDIT_CORRUPT', message: expect.stringMatching(/line \d+/) });
  const rows = rowsOf(altered.stdout);
  expect(rows.at(-1)!.entry).toBe(rows.length);
  expect(altered.error().message).toContain(`line ${rows.length + 1}:`);
  const last = await shell.run(['audit', 'show', '--log', 'copy.log', '--json', '--last', '1'], nobody);
  expect([last.code, rowsOf(last.stdout)]).toEqual([1, rows.slice(-1)]);
});

/** A chain that somebody made anew: only the MACs would tell. */
function* chain(bodies: Iterable<object>): Generator<string> {
  let head = EMPTY_HEAD;
  for (const each of bodies) {
    const body = JSON.stringify(each);
    const seq = head.seq + 1;
    head = { seq, hash: chainHash(head.hash, seq, body) };
    yield formatLine(head, body);
  }
}

test('what a log holds is text to the terminal, one line each, whatever it is', async () => {
  const name = 'eve\u001b[2J\n\u202e\u2028';
  const bodies = [
    { at: 0, event: 'login', user: 'x', name, session: 's', ['\u009bm']: '\u0007' },
    { at: 'then', event: 7, user: 4, caller: [] },
    { at: 1e300, uses: [{ op: {}, keys: 'none', made: [1, 'k'], done: 'x', refused: [] }, null, 5] },
    { uses: 'none' },
  ];
  writeFileSync(shell.path('forged.log'), [...chain(bodies)].join(''));
  const read = await shell.ok(['audit', 'show', '--log', 'forged.log'], nobody);
  const lines = read.stdout.trimEnd().split('\n');
  expect(lines.length).toBe(5);
  expect(lines[1]).toContain('eve\\u{001b}[2J\\u{000a}\\u{202e}\\u{2028}');
  expect(lines[1]).toContain('\\u{009b}m \\u{0007}');
  expect(lines.slice(2).every((line) => line.includes('unreadable'))).toBe(true);
  expect(rowsOf((await shell.ok(['audit', 'show', '--log', 'forged.log', '--json'], nobody)).stdout)[0]).toMatchObject({
    user: { name },
  });
});

test('a long log needs little memory, and its reader may go away', async () => {
  const entries = 150_000;
  function* many() {
    for (let i = 0; i < entries; i++) {
      yield {
        at: i,
        by: 'cell-0',
        n: i,
        uses: [{ session: 's', user: 'u', op: 'sign', keys: [releases], done: i }],
        mac: 'x'.repeat(64),
      };
    }
  }
  const text = [...chain(many())].join('');
  expect(text.length).toBeGreaterThan(40e6);
  writeFileSync(shell.path('long.log'), text);
  const env = { ...nobody.env, NODE_OPTIONS: '--max-old-space-size=28' };
  // The reader is slower than the command.
  const slow = await shell.bash(`keycell audit show --log long.log --json | { sleep 1; wc -l; }`, { env });
  expect(slow).toMatchObject({ code: 0, stdout: `${entries}\n`, stderr: '' });
  const last = await shell.ok(['audit', 'show', '--log', 'long.log', '--json', '--last', '2'], { env });
  expect(rowsOf(last.stdout).map(({ entry }) => entry)).toEqual([entries - 1, entries]);
  const gone = await shell.bash('keycell audit show --log long.log | head -1', { env });
  expect(gone).toMatchObject({ code: 141, stdout: expect.stringMatching(/^TIME .*\n$/), stderr: '' });
});

test('a log that is lost: each command says how it is given up, which is done once and by who has the passphrase', async () => {
  const log = shell.path('hsm/audit.log');
  const whole = readFileSync(log);
  const none = ['audit', 'accept-loss', `1-${'0'.repeat(64)}`, '--yes', '--json'];
  expect((await shell.run(none)).error().message).toBe('the log is there, and whole as far as the HSM remembers');

  writeFileSync(log, whole.subarray(0, whole.indexOf('\n') + 1));
  const refused = await shell.run(['check', '--json']);
  expect(refused.code).toBe(1);
  const { message, advice } = (await shell.run(['random', '8', '--json'])).error();
  const [, loss] = /`keycell audit accept-loss (\d+-[0-9a-f]{64})`/.exec(advice!)!;
  expect(message).toContain('lines are missing from its end');
  const another = (await shell.run(none)).error();
  expect(another.advice).toContain(loss);

  const accept = ['audit', 'accept-loss', loss!, '--yes'];
  writeFileSync(shell.path('wrong'), 'wrong');
  expect((await shell.run([...accept, '--passphrase-file', 'wrong'])).code).toBe(3);
  expect(readFileSync(log).length).toBeLessThan(whole.length);
  const done = await shell.ok([...accept, '--json']);
  expect(done.json()).toMatchObject({ accepted: loss });
  const [entries, head] = loss!.split('-');
  const [first] = readFileSync(log, 'utf8').split('\n');
  expect(JSON.parse(first!).body).toMatchObject({ event: 'log-given-up', entries: Number(entries), head });
  expect(readFileSync(`${log}.lost-${entries}`).length).toBe(whole.indexOf('\n') + 1);
  await shell.ok(['check']);
  expect((await shell.run([...accept])).code).toBe(2);
});

test('a name or label passes for nothing else that a row says', async () => {
  const names = ['eve; role admin', 'a, b', 'two  columns', 'c'.repeat(32)];
  const bodies = names.map((name, i) => ({
    at: i,
    event: 'login',
    user: `u${i}`,
    name,
    role: 'crypto-user',
    session: `s${i}`,
  }));
  writeFileSync(
    shell.path('names.log'),
    [...chain([...bodies, { at: 9, event: 'not-written', users: ['u1', 'u9'] }])].join(''),
  );
  const rows = (await shell.ok(['audit', 'show', '--log', 'names.log'], nobody)).stdout.trimEnd().split('\n').slice(1);
  names.forEach((name, i) => {
    expect(rows[i]).toContain(JSON.stringify(name));
  });
  expect(rows.at(-1)).toContain('users "a, b", u9');
  const of = await shell.ok(['audit', 'show', '--log', 'names.log', '--by', 'a, b', '--json'], nobody);
  expect(rowsOf(of.stdout).map(({ operation }) => operation)).toEqual(['login', 'not-written']);
});
