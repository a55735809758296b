/** keycell verify */
import type { Command } from 'commander';
import { type Cli, findKeyOf, run } from '../context.ts';
import { EXIT } from '../failure.ts';
import { mustBeOneStdin, readInput } from '../files.ts';
import { command } from '../group.ts';
import { keyOption } from '../options.ts';
import { messageOf, type SigningOptions, signingOptions, signOptionsOf } from './sign.ts';

export function verify(parent: Command): void {
  signingOptions(
    command(
      parent,
      'verify [file]',
      'Check the signature of a file or of stdin: exit code 0 if it is valid, 1 if not.',
      [
        'keycell verify --key licence-signing --signature app.sig --format der app.tar',
        'cat app.tar | keycell verify --key licence-signing --signature app.sig',
      ],
    ).addOption(keyOption('the key that signed, or its public key: label or id')),
  )
    .requiredOption('-s, --signature <file>', 'the signature, as raw bytes')
    .action(run(task));
}

async function task(
  cli: Cli,
  file: string | undefined,
  options: SigningOptions & { readonly signature: string },
): Promise<void> {
  mustBeOneStdin(file ?? '-', options.signature);
  await cli.beforeInput(options.signature, 'binary');
  await cli.beforeInput(file, options.prehashed ? 'binary' : 'text');
  const signature = await readInput(options.signature);
  const message = await messageOf(file, options);
  await cli.withSession(async (session) => {
    const key = await findKeyOf(session, options.key, 'EC', 'HMAC', 'AES');
    const valid = await session.verify(key, signature, message, signOptionsOf(key.type, options));
    cli.answer({ key: key.id, valid }, valid ? 'valid' : 'not valid');
    if (!valid) process.exitCode = EXIT.no[0];
  });
}
