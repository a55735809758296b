/** keycell datakey open */
import type { Command } from 'commander';
import { type Cli, type DataOptions, findAes, isStdout, run, secretInJson } from '../../context.ts';
import { UsageError } from '../../failure.ts';
import { readInput } from '../../files.ts';
import { formatOf } from '../../format.ts';
import { command } from '../../group.ts';
import { type AadOptions, aadOf, aadOptions, encodeOption, forceOption, outOption } from '../../options.ts';

const ENVELOPE_MAX = 65536;

export function openDataKey(parent: Command): void {
  aadOptions(
    command(
      parent,
      'open [file]',
      'Write the data key of an envelope to stdout, for the program that takes it from a pipe.',
      [
        'keycell datakey open volume.kc | cryptsetup open --test-passphrase --key-file=- disk.img',
        'keycell datakey open --encode hex volume.kc | gocryptfs -fsck -extpass cat cipher',
      ],
    ),
  )
    .addOption(outOption())
    .addOption(encodeOption())
    .addOption(forceOption('show it on the terminal, or replace the file'))
    .action(run(task));
}

async function task(cli: Cli, file: string | undefined, options: AadOptions & DataOptions): Promise<void> {
  if (cli.json && isStdout(options)) throw secretInJson();
  await cli.beforeInput(file, 'binary');
  const envelope = await readInput(file, ENVELOPE_MAX);
  const { format, keyId } = formatOf(envelope);
  if (format !== 'envelope') {
    throw new UsageError('this is a stream, not the envelope of a data key', 'use keycell decrypt');
  }
  await cli.withSession(async (session) => {
    const key = await findAes(session, `id:${keyId}`);
    const plaintext = await session.decrypt(key, envelope, aadOf(options));
    await cli.data(plaintext, options, { kind: 'key', document: { key: key.id } });
  });
}
