/** Questions to the person at the terminal, even while stdin and stdout are pipes. */
import { openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { UsageError } from './failure.ts';

interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
}

/** The controlling terminal; undefined where there is none, as under cron or systemd. */
function openTerminal(): Terminal | undefined {
  try {
    return { input: new ReadStream(openSync('/dev/tty', 'r')), output: new WriteStream(openSync('/dev/tty', 'w')) };
  } catch {
    return undefined;
  }
}

/** Opened for each question, since a prompt ends the streams that it was given. */
async function atTerminal<T>(use: (terminal: Terminal) => Promise<T>): Promise<T | undefined> {
  const terminal = openTerminal();
  if (terminal === undefined) return undefined;
  try {
    return await use(terminal);
  } finally {
    terminal.input.destroy();
    terminal.output.destroy();
  }
}

/** What is typed is not judged yet, so no tick stands before it. */
async function hidden(message: string, terminal: Terminal): Promise<string> {
  const { default: password } = await import('@inquirer/password');
  return password({ message, theme: { prefix: '?' } }, terminal);
}

/** A hidden answer; undefined where there is no terminal. */
export async function ask(message: string, options: { readonly twice: boolean }): Promise<string | undefined> {
  const answer = await atTerminal((terminal) => hidden(message, terminal));
  if (answer === undefined || !options.twice) return answer;
  if ((await atTerminal((terminal) => hidden('The same again', terminal))) !== answer) {
    throw new UsageError('the two answers differ', 'nothing was done: try again');
  }
  return answer;
}

/** A visible answer, not empty; undefined where there is no terminal. */
export async function askName(message: string): Promise<string | undefined> {
  const { default: input } = await import('@inquirer/input');
  return atTerminal((terminal) => input({ message, required: true }, terminal));
}

/** Yes or no; undefined where there is no terminal. */
export function confirm(message: string): Promise<boolean | undefined> {
  return atTerminal(async (terminal) => {
    const { default: question } = await import('@inquirer/confirm');
    return question({ message, default: false }, terminal);
  });
}

/** What can't be taken back is done only for whoever says so: on the terminal, or by --yes. */
export async function mustAgree(question: string, yes: boolean | undefined, input: boolean): Promise<void> {
  if (yes) return;
  const answer = input ? await confirm(question) : undefined;
  if (answer === undefined) throw new UsageError(`this can't be taken back: ${question}`, 'say so with --yes');
  if (!answer) throw new UsageError('nothing was done', undefined, { exit: 'interrupted', code: 'INTERRUPTED' });
}
