/** The tree of commands, and the options that all of them have. */
import { Command, Option } from 'commander';
import { audit } from './commands/audit/index.ts';
import { bench } from './commands/bench/index.ts';
import { check } from './commands/check.ts';
import { completion } from './commands/completion.ts';
import { datakey } from './commands/datakey/index.ts';
import { decrypt } from './commands/decrypt.ts';
import { demo } from './commands/demo.ts';
import { encrypt } from './commands/encrypt.ts';
import { init } from './commands/init.ts';
import { key } from './commands/key/index.ts';
import { random } from './commands/random.ts';
import { rewrap } from './commands/rewrap.ts';
import { sign } from './commands/sign.ts';
import { status } from './commands/status.ts';
import { unwrap } from './commands/unwrap.ts';
import { user } from './commands/user/index.ts';
import { verify } from './commands/verify.ts';
import { wrap } from './commands/wrap.ts';
import { EXIT } from './failure.ts';
import { seconds, whole } from './options.ts';
import { wrapHelp } from './wrap.ts';

const SECRETS = `
Secrets are never arguments. Each of them (the HSM's passphrase, a user's password) is taken from the first of:
  --passphrase-fd N, --password-fd N         a file descriptor: keycell … --passphrase-fd 3 3<FILE
  --passphrase-file F, --password-file F     a file, or a pipe: --passphrase-file <(pass show hsm)
  $CREDENTIALS_DIRECTORY/keycell.passphrase, keycell.password: systemd's LoadCredential=
  a hidden prompt on the terminal, if there is one
One newline at the end of a file is dropped.

Data is read from the file that is named last, or from stdin; results go to --out, or to stdout.`;

const codes = Object.values(EXIT).map(([code, text]) => `  ${String(code).padStart(3)}  ${text}`);

export function createProgram(version: string): Command {
  const program = new Command('keycell')
    .description('Keys that are used inside an HSM in a folder, and leave it only as their policy says.')
    .version(version)
    .addOption(new Option('-C, --path <folder>', "the HSM's folder").env('KEYCELL_PATH').default('./hsm'))
    .addOption(new Option('-u, --user <name>', 'who logs in').env('KEYCELL_USER'))
    .option('--passphrase-file <file>', "where the HSM's passphrase is")
    .option('--passphrase-fd <n>', 'the same as an open file descriptor', whole)
    .option('--password-file <file>', "where the user's password is")
    .option('--password-fd <n>', 'the same as an open file descriptor', whole)
    .option('--no-input', 'never ask on the terminal')
    .addOption(
      new Option('--wait <seconds>', 'for another process to let go of the folder')
        .argParser(seconds)
        .default(undefined, '5; status does not wait'),
    )
    .option('--json', 'answer with one JSON document; errors as JSON on stderr')
    .option('-q, --quiet', 'say nothing beside the answer')
    .option('-v, --verbose', 'log to stderr what is done, and show the stack of an error')
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false })
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText('after', () => wrapHelp(`${SECRETS}\n\nExit codes:\n${codes.join('\n')}`, process.stdout.columns));

  for (const add of [init, status, user, key, sign, verify, encrypt, decrypt]) add(program);
  for (const add of [wrap, unwrap, rewrap, datakey, random, check, audit, demo, bench, completion]) add(program);
  return program;
}
