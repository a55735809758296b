/** keycell check */
import { type Command, Option } from 'commander';
import { type Cli, run } from '../context.ts';
import { EXIT, failureOf } from '../failure.ts';
import { command } from '../group.ts';
import { progress } from '../progress.ts';

export function check(parent: Command): void {
  command(
    parent,
    'check',
    'Unseal the HSM, and compare log and records with what the HSM remembers: exit code 1 if anything was altered, removed or put back.\n\n' +
      'With --log, only the chain of a log file is verified, and no passphrase is needed: for a copy kept elsewhere.\n' +
      'Whole entries missing from its end are not seen so, nor a chain that somebody made anew.',
    ['keycell check', 'keycell check --log backup/audit.log', 'keycell check --json && echo sound'],
  )
    .addOption(new Option('--log <file>', "verify this log's chain alone"))
    .action(run(task));
}

async function task(cli: Cli, options: { readonly log?: string }): Promise<void> {
  try {
    if (options.log === undefined) await checkHsm(cli);
    else await checkLog(cli, options.log);
  } catch (error) {
    const { code, exit, message } = failureOf(error);
    if (exit !== 'no') throw error;
    damaged(cli, { code, message });
  }
}

async function checkHsm(cli: Cli): Promise<void> {
  await cli.withHsm(async (hsm) => {
    const bar = await progress(cli, 'entries and records');
    try {
      const { records, logEntries } = await hsm.check({ onProgress: ({ checked, total }) => bar.at(checked, total) });
      bar.end();
      const text = `the passphrase opens it\nsound: ${records} records, ${logEntries} log entries`;
      cli.answer({ ok: true, opened: true, records, logEntries }, text);
    } finally {
      bar.end();
    }
  });
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
