/** keycell check */
import { type Command, Option } from 'commander';
import type { Hsm, Role } from '../../model/hsm.ts';
import { type Cli, run } from '../context.ts';
import { EXIT, failureOf } from '../failure.ts';
import { command } from '../group.ts';
import { progress } from '../progress.ts';

export function check(parent: Command): void {
  command(
    parent,
    'check',
    'Try the passphrase, and compare log and records with what the HSM remembers: exit code 1 if anything was altered, removed or put back.\n\n' +
      "It says that the passphrase opens the HSM, and with --login that the user's password opens a session, as before a service starts.\n" +
      'Nothing stays unsealed after it.\n\n' +
      'With --log, only the chain of a log file is verified, and no passphrase is needed: for a copy kept elsewhere.\n' +
      'Whole entries missing from its end are not seen so, nor a chain that somebody made anew.',
    [
      'keycell check',
      'keycell check --login --user licences --passphrase-fd 3 --password-fd 4 3<pass.txt 4<licences.txt',
      'keycell check --log backup/audit.log',
      'keycell check --json && echo sound',
    ],
  )
    .option('--login', 'log in as --user as well')
    .addOption(new Option('--log <file>', "verify this log's chain alone").conflicts('login'))
    .action(run(task));
}

interface CheckOptions {
  readonly log?: string;
  readonly login?: true;
}

async function task(cli: Cli, { log, login }: CheckOptions): Promise<void> {
  try {
    if (log !== undefined) await checkLog(cli, log);
    else if (login) await cli.withSession(({ user: { name, role } }, hsm) => checkHsm(cli, hsm, { user: name, role }));
    else await cli.withHsm((hsm) => checkHsm(cli, hsm));
  } catch (error) {
    const { code, exit, message } = failureOf(error);
    if (exit !== 'no') throw error;
    damaged(cli, { code, message });
  }
}

async function checkHsm(cli: Cli, hsm: Hsm, login?: { readonly user: string; readonly role: Role }): Promise<void> {
  const bar = await progress(cli, 'entries and records');
  try {
    const { records, logEntries } = await hsm.check({ onProgress: ({ checked, total }) => bar.at(checked, total) });
    bar.end();
    const said = [
      'the passphrase opens it',
      ...(login === undefined ? [] : [`${login.user} may log in, as ${login.role}`]),
      `sound: ${records} records, ${logEntries} log entries`,
    ];
    cli.answer({ ok: true, id: hsm.id, opened: true, ...login, records, logEntries }, said.join('\n'));
  } finally {
    bar.end();
  }
}

async function checkLog(cli: Cli, file: string): Promise<void> {
  const { verifyAuditLog } = await import('../../index.ts');
  const bar = await progress(cli, 'MiB');
  const report = await verifyAuditLog(file, { onProgress: ({ bytes, total }) => bar.at(bytes, total) }).finally(
    bar.end,
  );
  if (report.ok) cli.answer({ ok: true, logEntries: report.entries }, `sound: ${report.entries} log entries`);
  else {
    const { line, seq, offset, reason } = report;
    damaged(cli, { code: 'KEYCELL_AUDIT_CORRUPT', message: `line ${line}: ${reason}`, line, entry: seq, offset });
  }
}

function damaged(cli: Cli, found: { readonly code: string; readonly message: string } & Record<string, unknown>): void {
  cli.answer({ ok: false, ...found }, `DAMAGED: ${found.message}`);
  process.exitCode = EXIT.no[0];
}
