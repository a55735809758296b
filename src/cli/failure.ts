/** Exit codes, what each failure advises, and how it is told: a sentence for people, JSON for programs, never a stack. */
import { CommanderError } from 'commander';
import { HsmError, type HsmErrorCode } from '../errors.ts';
import { shown } from '../model/text.ts';
import { wrap } from './wrap.ts';

/** What scripts branch on; shown by `keycell --help` and in docs/cli.md. */
export const EXIT = {
  ok: [0, 'done'],
  no: [1, 'the answer is no: a signature is not valid, data is not authentic, a check found damage'],
  usage: [2, 'the command, an option or an input is wrong'],
  denied: [3, 'passphrase, password or policy refused it'],
  missing: [4, 'no such HSM, key, user or file'],
  unavailable: [5, 'busy, locked or not writable now: the same command may work later'],
  conflict: [6, 'it exists already, or more than one fits'],
  internal: [70, 'a fault of ours: please report it'],
  interrupted: [130, 'interrupted'],
  unread: [141, 'whoever read the output went away, as `| head` does: nothing is said'],
} as const;
export type Exit = keyof typeof EXIT;

const EXIT_OF: Record<HsmErrorCode, Exit> = {
  KEYCELL_BUSY: 'unavailable',
  KEYCELL_SEALED: 'unavailable',
  KEYCELL_CLOSING: 'unavailable',
  KEYCELL_ABORTED: 'unavailable',
  KEYCELL_TIMEOUT: 'unavailable',
  KEYCELL_LOGIN_FAILED: 'denied',
  KEYCELL_LOGIN_LOCKED: 'unavailable',
  KEYCELL_SESSION_EXPIRED: 'denied',
  KEYCELL_SESSION_REVOKED: 'denied',
  KEYCELL_PERMISSION_DENIED: 'denied',
  KEYCELL_KEY_NOT_FOUND: 'missing',
  KEYCELL_KEY_AMBIGUOUS: 'conflict',
  KEYCELL_KEY_CONFLICT: 'conflict',
  KEYCELL_TOKEN_INVALID: 'denied',
  KEYCELL_MECHANISM_INVALID: 'usage',
  KEYCELL_INPUT_INVALID: 'usage',
  KEYCELL_LIMIT_EXCEEDED: 'usage',
  KEYCELL_DECRYPT_FAILED: 'no',
  KEYCELL_RECORD_CORRUPT: 'no',
  KEYCELL_STORE_LOCKED: 'unavailable',
  KEYCELL_STORE_CORRUPT: 'no',
  KEYCELL_STORE_MISSING: 'no',
  KEYCELL_STORE_TOO_NEW: 'usage',
  KEYCELL_STORE_TOO_OLD: 'usage',
  KEYCELL_STORE_UNAVAILABLE: 'unavailable',
  KEYCELL_PASSPHRASE_WRONG: 'denied',
  KEYCELL_NOT_INITIALIZED: 'missing',
  KEYCELL_ALREADY_INITIALIZED: 'conflict',
  KEYCELL_AUDIT_UNAVAILABLE: 'unavailable',
  KEYCELL_AUDIT_CORRUPT: 'no',
  KEYCELL_AUDIT_MISSING: 'no',
  KEYCELL_LEASE_EXPIRED: 'unavailable',
  KEYCELL_CELL_LOST: 'unavailable',
  KEYCELL_TAMPERED: 'no',
  KEYCELL_USER_NOT_FOUND: 'missing',
  KEYCELL_USER_CONFLICT: 'conflict',
};

/** What to type next, where the error's own text speaks of calls instead of commands. */
const ADVICE: Partial<Record<HsmErrorCode, string>> = {
  KEYCELL_LOGIN_FAILED:
    'check --user; an admin sets a new password with `keycell user passwd NAME`, and lets a locked user in with `keycell user unlock NAME`',
  KEYCELL_KEY_NOT_FOUND: '`keycell key list` shows the keys that this user may see',
  KEYCELL_KEY_AMBIGUOUS: 'name the key by its id: `keycell key list` shows it',
  KEYCELL_KEY_CONFLICT:
    '`keycell key show` says what the existing key is; choose another --label, or --ensure to share it',
  KEYCELL_LIMIT_EXCEEDED: 'see the limits of this command in its --help',
  KEYCELL_DECRYPT_FAILED: 'is it the right key, the right --aad, and the whole file?',
  KEYCELL_STORE_LOCKED: 'wait for the other process with --wait SECONDS, or stop it',
  KEYCELL_STORE_CORRUPT: '`keycell check` names what is damaged; then restore the folder from a backup',
  KEYCELL_PASSPHRASE_WRONG: 'one newline at the end of a secret file is dropped, anything else in it counts',
  KEYCELL_NOT_INITIALIZED: 'make an HSM with `keycell init`, or name its folder with --path',
  KEYCELL_ALREADY_INITIALIZED: 'choose another folder with --path',
  KEYCELL_USER_NOT_FOUND: '`keycell user list` shows the users',
};

const COPY_FIRST = 'put a copy in its place that has all entries; where there is none, whoever has the passphrase may';

/** A mistake in how the tool is used; `advice` says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exit: Exit;
  readonly code: string;
  readonly advice: string | undefined;

  constructor(message: string, advice?: string, options: { readonly exit?: Exit; readonly code?: string } = {}) {
    super(message);
    this.advice = advice;
    this.exit = options.exit ?? 'usage';
    this.code = options.code ?? 'USAGE';
  }
}

export interface Failure {
  readonly code: string;
  readonly exit: Exit;
  readonly message: string;
  readonly advice?: string | undefined;
  readonly retryable?: boolean;
  readonly outcome?: string;
  readonly index?: number | undefined;
  readonly lossId?: string | undefined;
}

/** Any thrown value as what is told about it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof HsmError) {
    // Of a file that could not be read to its end, the system's word says more.
    const cause = error.cause as NodeJS.ErrnoException | undefined;
    if (error.code === 'KEYCELL_INPUT_INVALID' && cause?.syscall === 'read') return failureOf(cause);
    const { code, message, retryable, outcome, index, lossId } = error;
    const advice = lossId === undefined ? ADVICE[code] : `${COPY_FIRST} \`keycell audit accept-loss ${lossId}\``;
    return { code, exit: EXIT_OF[code] ?? 'internal', message, advice, retryable, outcome, index, lossId };
  }
  if (error instanceof UsageError) {
    return { code: error.code, exit: error.exit, message: error.message, advice: error.advice };
  }
  if (error instanceof CommanderError) return usageOf(error);
  const { code, name, message } = error as NodeJS.ErrnoException;
  // Ctrl-C in a prompt.
  if (name === 'ExitPromptError') return { code: 'INTERRUPTED', exit: 'interrupted', message: 'interrupted' };
  // Node ignores SIGPIPE, which ends other programs here: 128 and its number is what a shell says of them.
  if (code === 'EPIPE') return { code, exit: 'unread', message };
  if (typeof code === 'string' && (error as NodeJS.ErrnoException).syscall !== undefined) {
    return { code, exit: SYSTEM[code] ?? 'unavailable', message };
  }
  return { code: 'INTERNAL', exit: 'internal', message: `${name}: ${message}`, advice: 'run it again with --verbose' };
}

/** Of what the system says about files and pipes. */
const SYSTEM: Record<string, Exit> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EACCES: 'denied',
  EPERM: 'denied',
  EISDIR: 'usage',
  EEXIST: 'conflict',
};

const UNSEAL =
  'it comes with an HSM that goes on running between commands; `keycell check` tries a passphrase, and with --login a password';

function usageOf(error: CommanderError): Failure {
  // What follows an unknown option's "=" may be a secret that was meant for a file.
  const message = error.message.replace(/^error: /, '').replace(/(--[\w-]+)=[^']*/g, '$1=…');
  const secret = /unknown option '--(passphrase|password|new-password|pin|secret)\b/.test(message);
  // A command of before.
  if (/unknown command 'unseal'/.test(message)) return { code: 'USAGE', exit: 'usage', message, advice: UNSEAL };
  const advice = secret
    ? 'secrets are never arguments, which every process on the machine can read: use --passphrase-file or -fd'
    : 'see --help';
  return { code: 'USAGE', exit: 'usage', message, advice };
}

/** Lines for people, or one JSON document; `stack` only where it was asked for, `columns` where a terminal has so many. */
export function tell(failure: Failure, json: boolean, stack?: string, columns?: number): string {
  const { exit, message, advice, ...rest } = failure;
  if (json)
    return `${JSON.stringify({ error: { ...rest, exit: EXIT[exit][0], message, ...(advice && { advice }) } })}\n`;
  // A message may repeat what was typed, or what came with it: its lines are ours, the rest is not.
  const said = wrap(
    [`keycell: ${message}`, ...(advice ? [`  ${advice}`] : [])].join('\n').split('\n').map(shown).join('\n'),
    columns,
  );
  return `${[said, ...(stack ? [stack] : [])].join('\n')}\n`;
}
