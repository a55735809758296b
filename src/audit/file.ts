/**
 * The log as a file of lines. An entry is written at once, by a synchronous write of some hundred bytes: that takes the
 * page cache 1 to 3 µs (p99.9 under 40 µs, also beside a flush or another process that writes gigabytes), where the way
 * through the thread pool costs this thread 13 µs and the caller 20 to 50. But a disk that stalls must not hold up the
 * application: after a write that was slow, entries go through the pool for a while. There they are written in groups: one
 * write is under way, what is appended meanwhile becomes the next one.
 *
 * The file is always written at the known end of the last good line, never "at the end of the file": a
 * line that came only half onto a full disk is cut off before anything else is written, and overwritten
 * in any case. The head moves only when a whole group is written, so a failed group leaves no gap.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { HsmError } from '../errors.ts';
import { type FileIdentity, identityOf, type PlaceFault, placeFault } from '../keystore/identity.ts';
import { makeOwnerOnly, OWNER_ONLY } from '../keystore/owner-only.ts';
import { formatFront, formatLine, judgeTail } from './line.ts';
import { type AuditHead, type AuditLog, chainHash, checkBody, EMPTY_HEAD, isBody } from './log.ts';
import { missingEntries, walkLog } from './verify.ts';

const writeAt = promisify(write);
const flush = promisify(fdatasync);

/** The most text that goes into one write; what is beyond waits for the next. */
const GROUP_CHARS = 4 * 1024 * 1024;

/** What is longer than this goes through the pool: the entry of a batch that makes as many keys as it can has 30 KB. */
const AT_ONCE_CHARS = 64 * 1024;
/**
 * A write that held up the event loop for longer than this, in ms, sends those of the next while through the pool. Less
 * would take a busy machine, where a thread loses its core for some milliseconds, for a slow disk.
 */
const SLOW_WRITE = 20;
const SLOW_WHILE = 1000;

export interface OpenAuditOptions {
  /** The head that the control state remembers; the log must contain it. */
  readonly expect?: AuditHead;
}

/** How a loss is named: by the head that is given up with it. */
export const lossIdOf = ({ seq, hash }: AuditHead): string => `${seq}-${hash}`;

/**
 * Open a log file for appending and verify the whole chain in constant memory. It is created only where nothing is
 * remembered of it: an empty one in its place would hide that the log is gone.
 * A last line that a crash left unfinished is cut off (or completed, if only its line feed is missing) and
 * reported as `recovered`. Throws KEYCELL_AUDIT_CORRUPT, naming line and entry, when the chain is broken or
 * doesn't contain `expect`; KEYCELL_AUDIT_MISSING when there is none that could, both with a `lossId` where a head is
 * remembered; KEYCELL_AUDIT_UNAVAILABLE when the file can't be opened or read.
 */
export async function openAuditLog(path: string, options: OpenAuditOptions = {}): Promise<AuditLog> {
  let file: FileHandle | undefined;
  try {
    // No O_TRUNC, no O_APPEND; O_NONBLOCK lets a pipe under this name be refused instead of waited for.
    const create = options.expect === undefined ? constants.O_CREAT : 0;
    file = await open(path, constants.O_RDWR | create | constants.O_NONBLOCK, OWNER_ONLY);
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error('it is not a regular file');
    makeOwnerOnly(file.fd);
    if (stat.size === 0) syncFolder(dirname(path));
    return await recover(file, path, options);
  } catch (cause) {
    await file?.close().catch(() => {});
    if (cause instanceof HsmError) throw cause;
    if (options.expect !== undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new HsmError(
        'KEYCELL_AUDIT_MISSING',
        `The store remembers ${options.expect.seq} entries, ${path} is missing`,
        { lossId: lossIdOf(options.expect) },
      );
    }
    throw unavailable(`The audit log ${path} can't be opened`, cause, 'not-executed');
  }
}

/**
 * Begin a log in place of one that is lost, beside it: what is left of that stays as it is until `takePlace`, and for good
 * where this is closed before. Throws KEYCELL_AUDIT_UNAVAILABLE.
 */
export async function beginAuditLog(path: string, givenUp: AuditHead): Promise<AuditLog> {
  const fresh = `${path}.new`;
  let file: FileHandle | undefined;
  try {
    rmSync(fresh, { force: true });
    file = await open(fresh, 'wx+', OWNER_ONLY);
    makeOwnerOnly(file.fd);
    return new FileAuditLog(file, fresh, EMPTY_HEAD, 0, undefined, { path, givenUp });
  } catch (cause) {
    await file?.close().catch(() => {});
    throw unavailable(`The audit log ${fresh} can't be made`, cause, 'not-executed');
  }
}

async function recover(file: FileHandle, path: string, options: OpenAuditOptions): Promise<AuditLog> {
  const { expect } = options;
  const damaged = (line: number, offset: number, reason: string) => corrupt(path, line, offset, reason, expect);
  const walk = await walkLog(file, options);
  if (!walk.ok) throw damaged(walk.line, walk.offset, walk.reason);

  let { head, end } = walk;
  let recovered: AuditLog['recovered'];
  if (walk.tail.length > 0) {
    const bytes = walk.tail.length;
    const verdict = judgeTail(walk.tail, head);
    if (verdict === 'damaged') throw damaged(head.seq + 1, end, 'the last line is damaged');
    if (verdict === 'torn') {
      const missing = missingEntries(head, expect);
      if (missing) throw damaged(head.seq + 1, end, missing); // leave the evidence as it is
      await file.truncate(end);
      recovered = { offset: end, bytes, action: 'cut' };
    } else {
      await file.write('\n', end + bytes);
      const again = await walkLog(file, options);
      if (!again.ok) throw damaged(again.line, again.offset, again.reason);
      recovered = { offset: end, bytes, action: 'completed' };
      ({ head, end } = again);
    }
    await file.datasync();
  }
  const missing = missingEntries(head, expect);
  if (missing) throw damaged(head.seq + 1, end, missing);
  return new FileAuditLog(file, path, head, end, recovered);
}

interface Pending {
  readonly bodies: readonly string[];
  readonly chars: number;
  readonly resolve: (head: AuditHead) => void;
  readonly reject: (error: HsmError) => void;
}

class FileAuditLog implements AuditLog {
  readonly recovered: AuditLog['recovered'];
  readonly #file: FileHandle;
  readonly #identity: FileIdentity;
  #path: string;
  /** The log that this one is to take the place of. */
  #instead: { readonly path: string; readonly givenUp: AuditHead } | undefined;
  #head: AuditHead;
  /** Where the last good line ends, in bytes. */
  #end: number;
  /** Where it begins; undefined until one is written here. */
  #lastLine: number | undefined;
  /** Up to here it was seen that nothing was cut out. */
  #seenEnd: number;
  #pending: Pending[] = [];
  /** The writer's run; undefined while it is idle. Never rejects. */
  #writing: Promise<void> | undefined;
  /** A failed write may have left bytes behind #end. */
  #dirty = false;
  #failures = 0;
  #lastFailure: HsmError | undefined;
  /** Set when a flush failed: the kernel may have dropped what it could not write, so nothing more is promised. */
  #broken: HsmError | undefined;
  /** Set while what was written does not lie where the next opening looks for it. */
  #lost: HsmError | undefined;
  #syncedEnd = -1;
  #syncing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  /** Until then, on the clock of `performance.now()`, no write is synchronous. */
  #slowUntil = 0;

  constructor(
    file: FileHandle,
    path: string,
    head: AuditHead,
    end: number,
    recovered: AuditLog['recovered'],
    instead?: { readonly path: string; readonly givenUp: AuditHead },
  ) {
    this.#file = file;
    this.#path = path;
    this.#identity = identityOf(file.fd);
    this.#instead = instead;
    this.#head = head;
    this.#end = end;
    this.#seenEnd = end;
    this.recovered = recovered;
  }

  get head(): AuditHead {
    return this.#head;
  }

  append(bodies: readonly string[]): Promise<AuditHead> {
    return new Promise((resolve, reject) => {
      this.#assertUsable();
      let chars = 0;
      for (const body of bodies) {
        checkBody(body);
        chars += body.length;
      }
      this.#pending.push({ bodies: [...bodies], chars, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  appendNow(body: string): boolean {
    const ready = !this.#writing && !this.#dirty && !this.#broken && !this.#lost && !this.#closed;
    if (!ready || !isBody(body) || body.length > AT_ONCE_CHARS) return false;
    const began = performance.now();
    if (began < this.#slowUntil) return false;
    const seq = this.#head.seq + 1;
    const head = { seq, hash: chainHash(this.#head.hash, seq, body) };
    const line = formatLine(head, body);
    const length = Buffer.byteLength(line);
    this.#dirty = true;
    try {
      // What came only in part is cut off by the next write, the one through the pool.
      if (writeSync(this.#file.fd, line, this.#end, 'utf8') < length) return false;
    } catch {
      return false;
    }
    this.#dirty = false;
    this.#head = head;
    this.#lastLine = this.#end;
    this.#end += length;
    const now = performance.now();
    if (now - began > SLOW_WRITE) this.#slowUntil = now + SLOW_WHILE;
    return true;
  }

  async sync(): Promise<void> {
    this.#assertUsable();
    await this.#sync();
  }

  async verifyPlace(): Promise<void> {
    if (this.#closed) throw closed();
    if (this.#broken) await this.#mend();
    await this.#verifyPlace();
  }

  async #verifyPlace(): Promise<void> {
    try {
      await this.#mustBeInPlace();
      this.#lost = undefined;
    } catch (cause) {
      const error =
        cause instanceof HsmError ? cause : unavailable(`The audit log ${this.#path} can't be read`, cause, 'unknown');
      if (error.code !== 'KEYCELL_AUDIT_UNAVAILABLE') this.#lost = error;
      throw error;
    }
  }

  /**
   * The same file, not shorter, and with what was written last. A file that was cut and then written to again has a hole:
   * zeros, which no line has. What else was altered, check() finds.
   */
  async #mustBeInPlace(): Promise<void> {
    const path = this.#path;
    // What is appended meanwhile comes after these.
    const [head, end, lastLine] = [this.#head, this.#end, this.#lastLine];
    const fault = await placeFault(path, this.#identity, end);
    // It has taken its place meanwhile.
    if (path !== this.#path) return this.#mustBeInPlace();
    const gone = ({ kind, what }: PlaceFault): HsmError => {
      const code = kind === 'missing' ? 'KEYCELL_AUDIT_MISSING' : 'KEYCELL_AUDIT_CORRUPT';
      const detail = `The audit log ${path} was ${what} while the HSM had it open`;
      return new HsmError(code, detail, { lossId: lossIdOf(head) });
    };
    if (fault !== undefined) throw gone(fault);
    for await (const chunk of this.#read(Math.max(0, Math.min(this.#seenEnd, end) - 1), end)) {
      if (chunk.includes(0)) throw gone({ kind: 'corrupt', what: 'cut' });
    }
    const front = Buffer.from(formatFront(head));
    for await (const chunk of this.#read(lastLine ?? end, lastLine === undefined ? end : lastLine + front.length)) {
      if (!chunk.equals(front)) throw gone({ kind: 'corrupt', what: 'overwritten' });
    }
    this.#seenEnd = Math.max(this.#seenEnd, end);
  }

  /** What the file has from one byte to another, in chunks that are good until the next is asked for. */
  async *#read(from: number, to: number): AsyncGenerator<Buffer, void, void> {
    const chunk = Buffer.alloc(Math.min(AT_ONCE_CHARS, to - from));
    for (let at = from; at < to; ) {
      const { bytesRead } = await this.#file.read(chunk, 0, Math.min(chunk.length, to - at), at);
      if (bytesRead === 0) throw new Error(`it ends at byte ${at} of ${to}`);
      yield chunk.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /**
   * After a flush that failed, the kernel may take for written what it could not write. What it still has in memory is
   * verified, written once more and flushed.
   */
  async #mend(): Promise<void> {
    try {
      const walk = await walkLog(this.#file, { expect: this.#head });
      if (!walk.ok || walk.end < this.#end) throw this.#broken;
      let at = Math.max(0, this.#syncedEnd);
      for await (const chunk of this.#read(at, this.#end)) {
        for (let done = 0; done < chunk.length; ) {
          done += (await writeAt(this.#file.fd, chunk, done, chunk.length - done, at + done)).bytesWritten;
        }
        at += chunk.length;
      }
      await flush(this.#file.fd);
    } catch {
      throw this.#broken;
    }
    this.#syncedEnd = this.#end;
    this.#broken = undefined;
  }

  async takePlace(): Promise<void> {
    if (this.#instead === undefined) return;
    const { path, givenUp } = this.#instead;
    await this.sync();
    try {
      if (existsSync(path)) renameSync(path, freeName(`${path}.lost-${givenUp.seq}`));
      renameSync(this.#path, path);
      this.#path = path;
      this.#instead = undefined;
      syncFolder(dirname(path));
    } catch (cause) {
      throw unavailable(`The audit log ${path} can't be replaced`, cause, 'unknown');
    }
  }

  close(): Promise<void> {
    if (!this.#closed) {
      const mended = this.#broken === undefined ? Promise.resolve() : this.#mend();
      const flushed = mended.then(() => this.#sync()).then(() => this.#verifyPlace());
      this.#closed = flushed.finally(async () => {
        await this.#file.close();
        if (this.#instead !== undefined) rmSync(this.#path, { force: true });
      });
    }
    return this.#closed;
  }

  #assertUsable(): void {
    if (this.#closed) throw closed();
    if (this.#broken) throw this.#broken;
    if (this.#lost) throw this.#lost;
  }

  async #write(): Promise<void> {
    await undefined; // what is appended in this turn of the event loop shares the first write
    while (this.#pending.length > 0) {
      const group = takeGroup(this.#pending);
      try {
        if (this.#broken) throw this.#broken;
        if (this.#dirty) await this.#cutBack();
        if (this.#lost) throw this.#lost;
        const { text, heads, lastLine } = chainGroup(this.#head, group);
        const bytes = Buffer.from(text);
        if (bytes.length > 0) await this.#writeWhole(bytes);
        this.#head = heads[heads.length - 1]!;
        this.#end += bytes.length;
        if (bytes.length > 0) this.#lastLine = this.#end - Buffer.byteLength(lastLine);
        group.forEach((pending, index) => {
          pending.resolve(heads[index]!);
        });
      } catch (cause) {
        await this.#fail(group, cause);
      }
    }
    this.#writing = undefined;
  }

  async #writeWhole(bytes: Buffer): Promise<void> {
    this.#dirty = true;
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await writeAt(this.#file.fd, bytes, done, bytes.length - done, this.#end + done);
      if (bytesWritten === 0) throw new Error('the file system took no bytes');
      done += bytesWritten;
    }
    this.#dirty = false;
  }

  /** Cut off what a failed write left. */
  async #cutBack(): Promise<void> {
    await this.#file.truncate(this.#end);
    this.#dirty = false;
  }

  /** Reject the group that failed and all that waited behind it, once the file is whole again if it can be. */
  async #fail(group: Pending[], cause: unknown): Promise<void> {
    if (this.#dirty && !this.#broken) await this.#cutBack().catch(() => {});
    const outcome = this.#dirty ? 'unknown' : 'not-executed';
    const error =
      cause instanceof HsmError ? cause : unavailable(`The audit log ${this.#path} can't be written`, cause, outcome);
    this.#failures++;
    this.#lastFailure = error;
    for (const pending of [...group, ...this.#pending.splice(0)]) pending.reject(error);
  }

  /** Wait for the writes that were called for, then flush; one flush serves all who came before it began. */
  async #sync(): Promise<void> {
    const failures = this.#failures;
    await this.#writing;
    if (this.#failures !== failures) throw this.#lastFailure;
    const target = this.#end;
    while (this.#syncedEnd < target) {
      if (this.#broken) throw this.#broken;
      this.#syncing ??= this.#flush().finally(() => {
        this.#syncing = undefined;
      });
      await this.#syncing;
    }
  }

  async #flush(): Promise<void> {
    const end = this.#end;
    try {
      await flush(this.#file.fd);
    } catch (cause) {
      this.#broken = unavailable(
        `The audit log ${this.#path} can't be flushed; repair the disk and open the HSM again`,
        cause,
        'unknown',
      );
      throw this.#broken;
    }
    await this.#verifyPlace();
    this.#syncedEnd = Math.max(this.#syncedEnd, end);
  }
}

/** Take from the front as much as one write should carry, at least one. */
function takeGroup(pending: Pending[]): Pending[] {
  let count = 0;
  let chars = 0;
  while (count < pending.length && (count === 0 || chars + pending[count]!.chars <= GROUP_CHARS)) {
    chars += pending[count]!.chars;
    count++;
  }
  return pending.splice(0, count);
}

/** The lines of a group as one text, the last of them by itself, and the head after each of its calls. */
function chainGroup(
  before: AuditHead,
  group: readonly Pending[],
): { text: string; lastLine: string; heads: AuditHead[] } {
  let head = before;
  let text = '';
  let lastLine = '';
  const heads = group.map(({ bodies }) => {
    for (const body of bodies) {
      const seq = head.seq + 1;
      head = { seq, hash: chainHash(head.hash, seq, body) };
      lastLine = formatLine(head, body);
      text += lastLine;
    }
    return head;
  });
  return { text, lastLine, heads };
}

/** A name beside others that may be taken already. */
function freeName(path: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path}.${n}`;
    if (!existsSync(name)) return name;
  }
}

const closed = (): HsmError => new HsmError('KEYCELL_CLOSING', 'The audit log is closed; open the HSM again.');

function corrupt(path: string, line: number, offset: number, reason: string, expect: AuditHead | undefined): HsmError {
  return new HsmError(
    'KEYCELL_AUDIT_CORRUPT',
    `The audit log ${path} is damaged at line ${line} (byte ${offset}): ${reason}. ` +
      'Nothing was changed. Keep the file as evidence, and put a copy in its place that has all entries.',
    expect === undefined ? {} : { lossId: lossIdOf(expect) },
  );
}

function unavailable(what: string, cause: unknown, outcome: 'not-executed' | 'unknown'): HsmError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = `${what}: ${text}. See to space, permissions and the disk; without its log the HSM does no work.`;
  return new HsmError('KEYCELL_AUDIT_UNAVAILABLE', message, { cause, outcome });
}

/** A new file's name is on the disk only when its folder is. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
