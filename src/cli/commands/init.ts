/** keycell init */
import { type Command, Option } from 'commander';
import { HsmError } from '../../errors.ts';
import { type Cli, run } from '../context.ts';
import { command } from '../group.ts';
import { whole } from '../options.ts';
import { askName } from '../terminal.ts';

export function init(parent: Command): void {
  command(parent, 'init', 'Make an HSM in a folder, with its passphrase and its first admin: --user, or asked for.', [
    'keycell init',
    'keycell init --path ./hsm --user officer',
    'keycell init --user officer --passphrase-file pass.txt --password-file officer.txt',
  ])
    .addOption(
      new Option('--scrypt-log2n <n>', 'cost of the passphrase, 14 to 20: each step doubles time and memory')
        .argParser(whole)
        .default(17, '17: about 0.3 s and 128 MiB'),
    )
    .action(run(task));
}

/** There is nobody yet whom it could be: at a terminal, whoever gives no name is asked for one. */
async function adminName(cli: Cli): Promise<string> {
  const { user, input } = cli.options;
  return user || (input && (await askName('Name of the first admin'))) || cli.user();
}

async function task(cli: Cli, options: { readonly scryptLog2n: number }): Promise<void> {
  const { path } = cli.options;
  const name = await adminName(cli);
  const { openHsm } = await import('../../index.ts');
  const hsm = await openHsm({ path, create: true, workers: 1, lockTimeout: cli.wait * 1000 });
  try {
    // Before anybody is asked for a passphrase.
    if (hsm.state !== 'uninitialized') throw new HsmError('KEYCELL_ALREADY_INITIALIZED');
    await hsm.initialize({
      // The results of functions are wiped.
      passphrase: () => cli.secret('passphrase', `New passphrase for ${path}`, { fresh: true }),
      admin: { name, password: () => cli.secret('password', `New password for ${name}`, { fresh: true }) },
      scryptLog2N: options.scryptLog2n,
    });
    cli.note(
      `Made an HSM in ${path}, with the admin ${name}. The passphrase is nowhere but with you: without it the keys are lost.`,
    );
    cli.answer({ id: hsm.id, path, state: hsm.state, admin: name }, hsm.id);
  } finally {
    await hsm.close();
  }
}
