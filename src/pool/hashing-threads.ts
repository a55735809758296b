/** The hashing threads of one warden: started when passwords come, since an HSM that nobody logs in to needs none. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { HasherStart } from '../cell/warden/protocol.ts';

/** They run one function; what it takes, 32 MiB for a password, is outside of the heap. */
const HEAP = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };

export class HashingThreads {
  readonly #most: number;
  readonly #module: URL;
  readonly #secrets: SharedArrayBuffer;
  readonly #attach: (port: MessagePort) => void;
  readonly #threads = new Set<Worker>();
  #ended = false;

  /** `attach` is handed the warden's end of the port to each. */
  constructor(most: number, module: URL, secrets: SharedArrayBuffer, attach: (port: MessagePort) => void) {
    this.#most = most;
    this.#module = module;
    this.#secrets = secrets;
    this.#attach = attach;
  }

  /** So many passwords are to be hashed at once. A thread that died is replaced here: the port told the warden. */
  want(count: number): void {
    while (!this.#ended && this.#threads.size < Math.min(count, this.#most)) this.#start();
  }

  #start(): void {
    const { port1, port2 } = new MessageChannel();
    const workerData: HasherStart = { port: port2, secrets: this.#secrets };
    const thread = new Worker(this.#module, {
      workerData,
      transferList: [port2],
      execArgv: [],
      env: {},
      resourceLimits: HEAP,
    });
    this.#threads.add(thread);
    thread.on('error', () => {});
    thread.on('exit', () => this.#threads.delete(thread));
    // The warden, who waits for it, keeps the process alive.
    thread.unref();
    this.#attach(port1);
  }

  /** What is being hashed goes on to its end first: it cannot be interrupted. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }
}
