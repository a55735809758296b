/** Calls between the demo and the processes that it starts: {id, call, argument} there, {id, value | error} back. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Call {
  readonly id: number;
  readonly call: string;
  readonly argument: unknown;
}
type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly event: unknown };

/** In the child: answer the parent's calls; when the parent hangs up, close in good order and end. */
export function answerCalls(
  handlers: Readonly<Record<string, (argument: never) => unknown>>,
  close: () => Promise<void> = async () => {},
): void {
  process.on('message', async ({ id, call, argument }: Call) => {
    try {
      tell({ id, value: await handlers[call]!(argument as never) });
    } catch (error) {
      tell({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.on('SIGINT', () => {}); // Ctrl-C reaches every process of the terminal: the parent decides
  process.on('disconnect', () => close().finally(() => process.exit()));
}

/** A parent that was interrupted has hung up: there is nobody to tell. */
function tell(answer: Answer): void {
  if (process.connected) process.send!(answer, () => {});
}

/** In the parent: a child process that runs one of the scripts beside this one. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #lastId = 0;
  onEvent: (event: never) => void = () => {};

  constructor(script: string, ...args: string[]) {
    const path = fileURLToPath(new URL(`./${script}${extname(import.meta.url)}`, import.meta.url));
    this.#process = fork(path, args, { stdio: ['ignore', 2, 2, 'ipc'] });
    this.pid = this.#process.pid!;
    this.#process.on('message', (answer: Answer) => this.#settle(answer));
    this.#process.on('exit', (code, signal) => {
      const error = new Error(`${script} ended (${signal ?? code}) before it answered`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  call<T>(call: string, argument?: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, call, argument } satisfies Call, (error) => error && reject(error));
    });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    if (this.#process.connected) this.#process.disconnect();
    await once(this.#process, 'exit');
  }

  #settle(answer: Answer): void {
    if ('event' in answer) {
      this.onEvent(answer.event as never);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.value as never);
  }
}
