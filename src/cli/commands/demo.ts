/** keycell demo: a tour in an HSM of its own, which is gone afterwards. */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { HsmError } from '../../errors.ts';
import type { Session } from '../../model/hsm.ts';
import { type Cli, run } from '../context.ts';
import { command } from '../group.ts';

const DEMO_LOG2_N = 14;

export function demo(parent: Command): void {
  command(
    parent,
    'demo',
    'Show in a few seconds what an HSM does, with one in a temporary folder that is removed again.',
    ['keycell demo'],
  ).action(run(task));
}

/** What the tour found, for --json and for tests. */
interface Tour {
  signatureValid?: boolean;
  alteredRefused?: boolean;
  wrapped?: string;
  theft?: string;
  logEntries?: number;
  altered?: { line: number; reason: string };
}

async function task(cli: Cli): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'keycell-demo-'));
  const tour: Tour = {};
  const say = (text: string) => cli.say(text);
  try {
    await walk(folder, tour, say);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`\nThe folder is removed. To make one that stays: keycell init --user officer`);
  if (cli.json) cli.answer(tour, '');
}

async function walk(folder: string, tour: Tour, say: (text: string) => void): Promise<void> {
  const { openHsm, verifyAuditLog } = await import('../../index.ts');
  const secret = () => new Uint8Array(randomBytes(16));
  const hsm = await openHsm({ path: folder, create: true, workers: 1 });
  try {
    const [passphrase, officer, alice] = [secret(), secret(), secret()];
    await hsm.initialize({ passphrase, admin: { name: 'officer', password: officer }, scryptLog2N: DEMO_LOG2_N });
    const admin = await hsm.login({ user: 'officer', password: officer });
    await admin.createUser({ name: 'alice', role: 'crypto-user', password: alice });
    say(`1. An HSM\n   ${folder}, id ${hsm.id}\n   an admin, officer, and one who uses keys, alice`);

    const session = await hsm.login({ user: 'alice', password: alice });
    await signing(session, tour, say);
    await wrapping(session, tour, say);

    const { records, logEntries } = await hsm.check();
    tour.logEntries = logEntries;
    say(`\n4. The log\n   check: ${records} records and ${logEntries} log entries are as the HSM remembers them`);
  } finally {
    await hsm.close();
  }
  const copy = join(folder, 'copy.log');
  copyFileSync(join(folder, 'audit.log'), copy);
  flipBit(copy);
  const verdict = await verifyAuditLog(copy);
  if (verdict.ok) throw new Error('the log with a flipped bit was not found out');
  tour.altered = { line: verdict.line, reason: verdict.reason };
  say(`   in a copy, one bit is flipped: line ${verdict.line} is named\n   ${verdict.reason}`);
}

async function signing(session: Session, tour: Tour, say: (text: string) => void): Promise<void> {
  const key = await session.generateKey({ type: 'EC', curve: 'P-256', label: 'orders', usage: ['sign', 'verify'] });
  const message = new TextEncoder().encode('pay 100 to bob');
  const altered = new TextEncoder().encode('pay 900 to bob');
  const signature = await session.sign(key, message);
  tour.signatureValid = await session.verify(key, signature, message);
  tour.alteredRefused = !(await session.verify(key, signature, altered));
  say(
    `\n2. A signature\n   key orders, ${key.id}, made in a cell and never outside\n` +
      `   "pay 100 to bob"  ${Buffer.from(signature).toString('hex', 0, 12)}…  ${tour.signatureValid ? 'valid' : 'NOT VALID'}\n` +
      `   "pay 900 to bob"  the same signature          ${tour.alteredRefused ? 'not valid' : 'VALID'}`,
  );
}

async function wrapping(session: Session, tour: Tour, say: (text: string) => void): Promise<void> {
  const kek = await session.generateKey({
    type: 'AES',
    bits: 256,
    usage: ['wrap', 'unwrap'],
    unwrapTemplate: { type: 'AES', bits: 128, usage: [], extractable: 'wrapped' },
  });
  const content = await session.generateKey({
    type: 'AES',
    bits: 128,
    usage: [],
    extractable: 'wrapped',
    persistent: false,
  });
  const blob = await session.wrapKey(kek, content, { mechanism: 'AES-KW' });
  tour.wrapped = Buffer.from(blob).toString('hex');
  const stolen = { type: 'AES', bits: 128, usage: [], extractable: 'plaintext' } as const;
  tour.theft = await session.unwrapKey(kek, blob, stolen, { mechanism: 'AES-KW' }).then(
    () => 'a key in the clear',
    (error: unknown) => (error instanceof HsmError ? error.code : String(error)),
  );
  say(
    `\n3. A key under a key\n   a content key leaves wrapped, to lie in any database:\n   ${tour.wrapped}\n` +
      `   a thief with alice's session unwraps it for export: ${tour.theft}`,
  );
}

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
}
