/** The password that is being set, beside that of the one who sets it. */
import type { Command } from 'commander';
import type { Cli } from '../../context.ts';
import { whole } from '../../options.ts';

export interface NewPasswordOptions {
  readonly newPasswordFile?: string;
  readonly newPasswordFd?: number;
}

export function newPasswordOptions(command: Command): Command {
  return command
    .option('--new-password-file <file>', "where the user's new password is")
    .option('--new-password-fd <n>', 'the same as an open file descriptor', whole);
}

/** The caller wipes it. */
export function newPassword(cli: Cli, name: string, options: NewPasswordOptions): Promise<Uint8Array> {
  const from = { file: options.newPasswordFile, fd: options.newPasswordFd };
  return cli.secret('new-password', `New password for ${name}`, { fresh: true, from });
}
