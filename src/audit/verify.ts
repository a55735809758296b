/** Reading a log file from end to end, in constant memory. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { checkLine, judgeTail, LINE_FEED, MAX_LINE_BYTES } from './line.ts';
import { type AuditHead, EMPTY_HEAD } from './log.ts';

/** The first place where a log is not what it should be: `seq` is the entry that belongs there. */
export interface AuditFault {
  readonly ok: false;
  readonly seq: number;
  /** From 1, as editors count. */
  readonly line: number;
  /** Bytes from the beginning of the file to the beginning of that line. */
  readonly offset: number;
  readonly reason: string;
}

export interface VerifyOptions {
  /** The head that somebody remembers: the log must contain it. */
  readonly expect?: AuditHead;
  /** Called about once a mebibyte. */
  readonly onProgress?: (progress: {
    readonly bytes: number;
    readonly total: number;
    readonly entries: number;
  }) => void;
  /** Says whether the MAC in a body is right; a false is a fault at this entry. */
  readonly checkBody?: (body: string, seq: number) => boolean | Promise<boolean>;
}

/** What walking a file found; `tail` are the bytes behind the last line feed, which belong to no entry yet. */
export type WalkResult =
  | { readonly ok: true; readonly head: AuditHead; readonly end: number; readonly tail: Buffer }
  | AuditFault;

/**
 * Verify a log file as it lies there, and name the first bad place for people.
 * Nothing is repaired: a last line without its line feed is a fault too. Without `expect`, whole lines that
 * are missing from the end can't be seen. Throws what the file system throws.
 */
export async function verifyAuditLog(
  path: string,
  options: VerifyOptions = {},
): Promise<{ readonly ok: true; readonly entries: number; readonly head: AuditHead } | AuditFault> {
  // O_NONBLOCK lets a pipe under this name be refused instead of waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) {
      const code = stat.isDirectory() ? 'EISDIR' : 'EINVAL';
      throw Object.assign(new Error(`${code}: not a regular file, open '${path}'`), { code, syscall: 'open', path });
    }
    const walk = await walkLog(file, options);
    if (!walk.ok) return walk;
    if (walk.tail.length > 0) {
      const reason = {
        torn: 'the last line was not written to its end (a crash in mid-write); opening the log cuts it off',
        whole: 'the last line lacks its line feed; opening the log completes it',
        damaged: 'the last line is damaged',
      }[judgeTail(walk.tail, walk.head)];
      return { ok: false, seq: walk.head.seq + 1, line: walk.head.seq + 1, offset: walk.end, reason };
    }
    const missing = missingEntries(walk.head, options.expect);
    if (missing)
      return { ok: false, seq: walk.head.seq + 1, line: walk.head.seq + 1, offset: walk.end, reason: missing };
    return { ok: true, entries: walk.head.seq, head: walk.head };
  } finally {
    await file.close();
  }
}

/** Why a log that ends at `head` can't be the one that is remembered, or undefined. */
export function missingEntries(head: AuditHead, expect: AuditHead | undefined): string | undefined {
  if (expect === undefined || expect.seq <= head.seq) return undefined;
  return `the log ends at entry ${head.seq}, but entry ${expect.seq} is remembered: lines are missing from its end`;
}

/** Check every whole line of a file; the size is taken once, what is written meanwhile is not looked at. */
export async function walkLog(file: FileHandle, options: VerifyOptions = {}): Promise<WalkResult> {
  const { expect, onProgress, checkBody } = options;
  const total = (await file.stat()).size;
  const window = Buffer.allocUnsafeSlow(Math.min(MAX_LINE_BYTES * 2, total + 1));
  let head = EMPTY_HEAD;
  let offset = 0; // of the line that is being looked at, in the file
  let filled = 0; // bytes of the window that hold file content from `offset` on

  const fault = (reason: string): AuditFault => ({ ok: false, seq: head.seq + 1, line: head.seq + 1, offset, reason });
  const forgets = () => expect !== undefined && expect.seq === head.seq && expect.hash !== head.hash;

  if (forgets()) return fault('the remembered head names a chain that begins otherwise');
  for (;;) {
    const room = Math.min(window.length - filled, total - offset - filled);
    const { bytesRead } = await file.read(window, filled, room, offset + filled);
    filled += bytesRead;

    let start = 0;
    for (;;) {
      const feed = window.subarray(0, filled).indexOf(LINE_FEED, start);
      if (feed < 0) break;
      const check = checkLine(window.subarray(start, feed), head);
      if (!check.ok) return fault(check.reason);
      if (checkBody) {
        const verdict = checkBody(Buffer.from(check.body).toString('utf8'), check.head.seq);
        if (!(typeof verdict === 'boolean' ? verdict : await verdict)) {
          return fault(`the body of entry ${check.head.seq} is not authentic`);
        }
      }
      const before = head;
      head = check.head;
      if (forgets()) {
        head = before;
        return fault(
          `entry ${before.seq + 1} is not the one that is remembered: the log was replaced from here or before`,
        );
      }
      offset += feed + 1 - start;
      start = feed + 1;
    }
    window.copyWithin(0, start, filled);
    filled -= start;

    if (filled > MAX_LINE_BYTES) return fault(`entry ${head.seq + 1} is longer than a line may be`);
    onProgress?.({ bytes: offset + filled, total, entries: head.seq });
    if (bytesRead === 0 || offset + filled >= total) break;
  }
  const tail = Buffer.from(window.subarray(0, filled));
  return { ok: true, head, end: offset, tail };
}
